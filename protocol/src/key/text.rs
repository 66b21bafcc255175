//! Keys as text: base64, edge keys, passphrases, and key files.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{EdgeKey, KEY_LENGTH, KeyId, Secret};
use crate::edge_id::EdgeId;

/// Maximum length of a passphrase, in characters.
pub const MAX_PASSPHRASE_LENGTH: usize = 40;

/// A key as read from a key file or an option.
///
/// ```
/// use weir_protocol::key::ParsedKey;
///
/// let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".parse()?;
/// assert!(matches!(key, ParsedKey::Secret(_)));
/// # Ok::<(), weir_protocol::key::ParseKeyError>(())
/// ```
#[derive(Clone, Debug)]
pub enum ParsedKey {
    /// A cluster's secret: 44 characters of base64.
    Secret(Secret),
    /// The secret derived from a passphrase.
    Passphrase(Secret),
    /// The key of one edge: `edge:GUID:KEYID:BASE64`.
    Edge(EdgeId, EdgeKey),
}

impl FromStr for ParsedKey {
    type Err = ParseKeyError;

    /// Reads a key in any of its forms. White space around it is ignored. Deriving the secret of a passphrase is slow;
    /// see [`Secret::from_passphrase`].
    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("edge:") {
            let mut parts = rest.splitn(3, ':');
            let mut part = || parts.next().ok_or(ParseKeyError::Edge);
            let edge = part()?.parse().map_err(|_| ParseKeyError::Edge)?;
            let id = part()?;
            let digits = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            let id = u32::from_str_radix(id, 16).ok().filter(|_| digits).ok_or(ParseKeyError::Edge)?;
            let key = parse_base64(part()?)?;
            return Ok(Self::Edge(edge, EdgeKey { id: KeyId(id.to_be_bytes()), key }));
        }
        if is_passphrase(text) {
            return Ok(Self::Passphrase(Secret::from_passphrase(text)));
        }
        text.parse().map(Self::Secret)
    }
}

impl Secret {
    /// The secret as it is written into a key file.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

impl FromStr for Secret {
    type Err = ParseKeyError;

    /// Reads base64 only. For every form of a key see [`ParsedKey`].
    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        parse_base64(text).map(Self)
    }
}

impl EdgeKey {
    /// The key as it is written into the key file of the edge `edge`.
    #[must_use]
    pub fn to_line(&self, edge: EdgeId) -> String {
        format!("edge:{edge}:{}:{}", self.id, STANDARD.encode(self.key))
    }
}

/// The text is no key. The message never repeats the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// A character that base64 does not have, or missing padding.
    #[error("the key is not base64: expected 44 characters as `weir-balancer keygen` prints them")]
    NotBase64,
    /// Base64 of this many bytes rather than 32.
    #[error("the key has {0} bytes, expected 32: make one with `weir-balancer keygen`")]
    Length(usize),
    /// A malformed edge key.
    #[error("the edge key is not complete: expected a line as `weir-balancer keygen --edge GUID` prints it")]
    Edge,
    /// A key file without a key.
    #[error("no key: expected a line of 44 characters as `weir-balancer keygen` prints it")]
    Missing,
}

/// Reads a key file: one key a line, with `#` comments and empty lines.
///
/// # Errors
/// The number of the line that is no key, from 1, and the reason; the number of the last line if there is no key at
/// all.
pub fn parse_key_file(text: &str) -> Result<Vec<ParsedKey>, (usize, ParseKeyError)> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        if !line.is_empty() {
            keys.push(line.parse().map_err(|error| (index + 1, error))?);
        }
    }
    if keys.is_empty() { Err((text.lines().count().max(1), ParseKeyError::Missing)) } else { Ok(keys) }
}

/// A mistyped key must not pass for a passphrase: it would be a weak one, and the mistake would go unnoticed.
fn is_passphrase(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b'+' | b'/');
    (1..=MAX_PASSPHRASE_LENGTH).contains(&text.len()) && text.bytes().all(allowed)
}

fn parse_base64(text: &str) -> Result<[u8; KEY_LENGTH], ParseKeyError> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| ParseKeyError::NotBase64)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| ParseKeyError::Length(length))
}

/// The line up to a `#` at its beginning or after white space. Elsewhere, as in a passphrase, a `#` is a character.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(begins).map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: EdgeId = EdgeId([7; 16]);

    fn secret(byte: u8) -> Secret {
        Secret::from_random([byte; KEY_LENGTH])
    }

    #[test]
    fn a_secret_survives_a_round_trip_as_text() {
        assert_eq!(secret(9).to_base64().parse(), Ok(secret(9)));
        assert_eq!(secret(9).to_base64().len(), 44);
    }

    #[test]
    fn a_truncated_key_is_rejected_with_its_length() {
        assert_eq!("AAAA".parse::<Secret>(), Err(ParseKeyError::Length(3)));
        assert_eq!("023D4FB4IS83!".parse::<Secret>(), Err(ParseKeyError::NotBase64));
    }

    #[test]
    fn a_key_file_has_comments_and_several_keys_and_errors_name_the_line() {
        let text = format!("# the fleet\n{}\n\n{} # old\n", secret(1).to_base64(), secret(2).to_base64());
        let keys = parse_key_file(&text).unwrap();
        assert!(
            matches!(&keys[..], [ParsedKey::Secret(a), ParsedKey::Secret(b)] if (a, b) == (&secret(1), &secret(2)))
        );
        let keys = parse_key_file("ab#cd # a passphrase\n").unwrap();
        assert!(matches!(&keys[..], [ParsedKey::Passphrase(key)] if *key == Secret::from_passphrase("ab#cd")));
        let error = |text| parse_key_file(text).unwrap_err();
        assert_eq!(error("# c\nxx="), (2, ParseKeyError::NotBase64));
        assert_eq!(error("# nothing\n"), (1, ParseKeyError::Missing));
        assert_eq!(error("edge:1:2"), (1, ParseKeyError::Edge));
    }

    #[test]
    fn an_edge_key_survives_a_round_trip_as_text() {
        let key = secret(1).edge_key(EDGE);
        let ParsedKey::Edge(edge, read) = key.to_line(EDGE).parse().unwrap() else { panic!("an edge key") };
        assert_eq!((edge, read.id, read.key), (EDGE, key.id, key.key));
    }

    #[test]
    fn a_passphrase_is_stretched_and_a_mistyped_key_is_no_passphrase() {
        let ParsedKey::Passphrase(stretched) = "023D4FB4IS83".parse().unwrap() else { panic!("a passphrase") };
        // The vectors of another implementation check the value; see tests/vectors.rs.
        assert_eq!(stretched, Secret::from_passphrase("023D4FB4IS83"));
        assert_ne!(stretched, Secret::from_passphrase("023D4FB4IS84"));
        let cut = &secret(9).to_base64()[..43];
        assert!(matches!(cut.parse::<ParsedKey>(), Err(ParseKeyError::NotBase64)));
        assert!(matches!("two words".parse::<ParsedKey>(), Err(ParseKeyError::NotBase64)));
    }
}
