//! The token that operators show.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;

/// A bearer token (RFC 6750).
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Fewest characters: a shorter one can be guessed over the network.
    pub const MIN_LENGTH: usize = 16;

    /// Reads the text of a token file: its first line.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let token = text.lines().next().unwrap_or_default().trim();
        let is_token = token.len() >= Self::MIN_LENGTH && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Self(token.to_owned()))
    }

    /// Whether a request shows it.
    #[must_use]
    pub fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, token) = shown.split_once(' ').unwrap_or_default();
        // In constant time, so that it cannot be found out character by character.
        scheme.eq_ignore_ascii_case("bearer") && token.trim().as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

/// Never shows the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_will_do() {
        let token = Token::parse("0123456789abcdef\nsecond line\n").unwrap();
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            token.is_shown(&headers)
        };
        assert!(shown("Bearer 0123456789abcdef") && shown("bearer 0123456789abcdef"));
        for value in
            ["", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdeg", "Basic 0123456789abcdef"]
        {
            assert!(!shown(value), "{value}");
        }
        assert!(!token.is_shown(&HeaderMap::new()));
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        assert!(
            Token::parse("short").is_none()
                && Token::parse("").is_none()
                && Token::parse("with spaces in it here").is_none()
        );
    }
}
