//! The operators' token.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use subtle::ConstantTimeEq as _;

/// A bearer token (RFC 6750).
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Minimum number of characters: a shorter token can be guessed over the network.
    pub const MIN_LENGTH: usize = 16;

    /// Parses a token file, whose first line is the token; `None` if that is too short or has other characters than visible
    /// ASCII.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let token = text.lines().next().unwrap_or_default().trim();
        let is_token = token.len() >= Self::MIN_LENGTH && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Self(token.to_owned()))
    }

    /// Returns whether a request has this token in its header `Authorization`.
    #[must_use]
    pub fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, token) = shown.split_once(' ').unwrap_or_default();
        // In constant time, so that the token cannot be guessed character by character.
        scheme.eq_ignore_ascii_case("bearer") && token.trim().as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

/// Does not reveal the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_token_is_accepted() {
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
    fn a_short_token_and_one_with_spaces_are_rejected() {
        assert!(
            Token::parse("short").is_none()
                && Token::parse("").is_none()
                && Token::parse("with spaces in it here").is_none()
        );
    }
}
