//! Secrets, the keys that are derived from them, and how they are written down.
//!
//! A cluster has one secret (or several, while one is being exchanged), known to the balancers. Each edge has a key of
//! its own that follows from the secret and the edge's GUID; an edge that holds only that key cannot speak for another.
//! What a datagram is sealed with follows from the edge's key and the sender's boot salt, so a counter is a safe nonce
//! with no state on disk.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::edge_id::EdgeId;

/// Length of every key, in bytes.
pub const KEY_LENGTH: usize = 32;
/// Longest passphrase, in characters.
pub const MAX_PASSPHRASE_LENGTH: usize = 40;
/// Length of a boot salt, in bytes.
pub const SALT_LENGTH: usize = 16;

const KEY_ID_INFO: &[u8] = b"weir/1 key id";
const PASSPHRASE_SALT: &[u8] = b"weir/1 passphrase";
const EDGE_INFO: &[u8] = b"weir/1 edge";
const REPORT_INFO: &[u8] = b"weir/1 report";
const ACK_INFO: &[u8] = b"weir/1 ack";

/// Tells a balancer that holds several secrets which one a datagram was sealed under.
///
/// It is the first four bytes of SHA-256(`"weir/1 key id"` ‖ secret): nobody has to number keys, and two balancers that
/// hold the same secret agree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A cluster's secret: 32 random bytes, written as 44 characters of base64 (RFC 4648 section 4).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; KEY_LENGTH]);

impl Secret {
    /// A secret from 32 bytes of a cryptographic random source.
    #[must_use]
    pub fn from_random(random: [u8; KEY_LENGTH]) -> Self {
        Self(random)
    }

    /// The id by which datagrams name this secret.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = Sha256::new_with_prefix(KEY_ID_INFO).chain_update(self.0).finalize();
        KeyId([digest[0], digest[1], digest[2], digest[3]])
    }

    /// The key of the edge `edge`: HKDF-SHA256(secret, info = `"weir/1 edge"` ‖ edge id), RFC 5869.
    #[must_use]
    pub fn edge_key(&self, edge: EdgeId) -> EdgeKey {
        let mut key = [0; KEY_LENGTH];
        expand(&Hkdf::<Sha256>::new(None, &self.0), &[EDGE_INFO, &edge.0], &mut key);
        EdgeKey { id: self.id(), key }
    }

    /// The secret that follows from a passphrase, by Argon2id (RFC 9106) with 64 MiB of memory and three passes.
    ///
    /// It takes a tenth of a second or so, on purpose. The salt is fixed, since agent and balancer share nothing but the
    /// passphrase: whoever records a datagram can try passphrases at that price each.
    #[must_use]
    pub fn from_passphrase(passphrase: &str) -> Self {
        let mut secret = [0; KEY_LENGTH];
        #[expect(clippy::expect_used, reason = "the parameters are constants within Argon2's ranges")]
        argon2::Params::new(64 * 1024, 3, 1, Some(KEY_LENGTH))
            .map(|params| argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params))
            .and_then(|argon2| argon2.hash_password_into(passphrase.as_bytes(), PASSPHRASE_SALT, &mut secret))
            .expect("constants within range");
        Self(secret)
    }

    /// The secret as it is written into a key file.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

impl FromStr for Secret {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        parse_base64(text).map(Self)
    }
}

/// Never shows the secret: a log must not give it away.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id())
    }
}

/// Why a text is no key. It never repeats the text.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseKeyError {
    /// A character that base64 does not have, or missing padding.
    #[error("the key is not base64: expected 44 characters as `weir-balancer keygen` prints them")]
    NotBase64,
    /// Base64 of another length.
    #[error("the key has {0} bytes, expected 32: make one with `weir-balancer keygen`")]
    Length(usize),
    /// `edge:` without the rest.
    #[error("the key of an edge is not complete: expected a line as `weir-balancer keygen --edge GUID` prints it")]
    Edge,
    /// A key file without a key.
    #[error("no key: expected a line of 44 characters as `weir-balancer keygen` prints it")]
    Missing,
}

/// A key as it is written down.
#[derive(Clone, Debug)]
pub enum WrittenKey {
    /// A cluster's secret, 44 characters of base64.
    Secret(Secret),
    /// A passphrase, and the secret that follows from it.
    Passphrase(Secret),
    /// `edge:GUID:KEYID:BASE64`: the key of one edge.
    Edge(EdgeId, EdgeKey),
}

impl FromStr for WrittenKey {
    type Err = ParseKeyError;

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

/// A key with a mistake in it must not pass for a passphrase: it would be a weak one, and nobody would know.
fn is_passphrase(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b'+' | b'/');
    (1..=MAX_PASSPHRASE_LENGTH).contains(&text.len()) && text.bytes().all(allowed)
}

fn parse_base64(text: &str) -> Result<[u8; KEY_LENGTH], ParseKeyError> {
    let bytes = STANDARD.decode(text.trim()).map_err(|_| ParseKeyError::NotBase64)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| ParseKeyError::Length(length))
}

/// The line up to a `#` at its beginning or after white space: in a passphrase a `#` is a character like any other.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(begins).map_or(line, |(at, _)| &line[..at])
}

/// Reads a key file: a key a line, with `#` comments and empty lines.
///
/// # Errors
/// The number of the line that is no key (from 1; the last line when there is none at all), and why.
pub fn parse_key_file(text: &str) -> Result<Vec<WrittenKey>, (usize, ParseKeyError)> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = without_comment(line).trim();
        if !line.is_empty() {
            keys.push(line.parse().map_err(|error| (index + 1, error))?);
        }
    }
    if keys.is_empty() { Err((text.lines().count().max(1), ParseKeyError::Missing)) } else { Ok(keys) }
}

/// What one edge needs in order to report: its own key, and the id of the secret that the key follows from.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EdgeKey {
    #[zeroize(skip)]
    id: KeyId,
    key: [u8; KEY_LENGTH],
}

impl EdgeKey {
    /// The id of the secret that this key follows from.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key as it is written into the key file of the edge `edge`.
    #[must_use]
    pub fn to_line(&self, edge: EdgeId) -> String {
        format!("edge:{edge}:{}:{}", self.id, STANDARD.encode(self.key))
    }

    /// The keys for what the sender with this boot salt reports:
    /// `K_enc` ‖ `K_mac` = HKDF-SHA256(salt = boot salt, edge key, info = `"weir/1 report"`).
    #[must_use]
    pub fn report_keys(&self, salt: &[u8; SALT_LENGTH]) -> SessionKeys {
        self.session_keys(salt, REPORT_INFO)
    }

    /// The keys for the acks of the balancer with this boot salt; the info is `"weir/1 ack"`.
    #[must_use]
    pub fn ack_keys(&self, salt: &[u8; SALT_LENGTH]) -> SessionKeys {
        self.session_keys(salt, ACK_INFO)
    }

    fn session_keys(&self, salt: &[u8; SALT_LENGTH], info: &[u8]) -> SessionKeys {
        let mut both = [0; 2 * KEY_LENGTH];
        expand(&Hkdf::<Sha256>::new(Some(salt), &self.key), &[info], &mut both);
        let mut keys = SessionKeys { encryption: [0; KEY_LENGTH], signature: [0; KEY_LENGTH] };
        let (encryption, signature) = both.split_at(KEY_LENGTH);
        keys.encryption.copy_from_slice(encryption);
        keys.signature.copy_from_slice(signature);
        both.zeroize();
        keys
    }
}

impl fmt::Debug for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EdgeKey(of {})", self.id)
    }
}

/// The two keys of one sender from one start to the next.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKeys {
    /// AES-256-GCM.
    pub(crate) encryption: [u8; KEY_LENGTH],
    /// HMAC-SHA-256.
    pub(crate) signature: [u8; KEY_LENGTH],
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

/// The secrets that a balancer accepts, by id.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<(KeyId, Secret)>);

impl KeyRing {
    /// The secret with this id.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&Secret> {
        // A ring holds one secret, or a few while one is being exchanged: a scan beats a map.
        self.0.iter().find(|(known, _)| *known == id).map(|(_, secret)| secret)
    }
}

impl KeyRing {
    /// The ids of all secrets.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.0.iter().map(|(id, _)| *id)
    }
}

impl FromIterator<Secret> for KeyRing {
    fn from_iter<I: IntoIterator<Item = Secret>>(secrets: I) -> Self {
        Self(secrets.into_iter().map(|secret| (secret.id(), secret)).collect())
    }
}

fn expand(hkdf: &Hkdf<Sha256>, info: &[&[u8]], output: &mut [u8]) {
    // HKDF fails only for more than 255 × 32 bytes of output (RFC 5869 section 2.3); callers ask for at most 64.
    #[expect(clippy::expect_used, reason = "the length is a constant of this file")]
    hkdf.expand_multi_info(info, output).expect("at most 64 bytes are asked for");
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: EdgeId = EdgeId([7; 16]);

    fn secret(byte: u8) -> Secret {
        Secret::from_random([byte; KEY_LENGTH])
    }

    #[test]
    fn a_secret_survives_being_written_down() {
        assert_eq!(secret(9).to_base64().parse(), Ok(secret(9)));
        assert_eq!(secret(9).to_base64().len(), 44);
    }

    #[test]
    fn a_key_that_is_cut_short_says_so() {
        assert_eq!("AAAA".parse::<Secret>(), Err(ParseKeyError::Length(3)));
        assert_eq!("023D4FB4IS83!".parse::<Secret>(), Err(ParseKeyError::NotBase64));
    }

    #[test]
    fn a_key_file_has_comments_and_several_keys_and_errors_name_the_line() {
        let text = format!("# the fleet\n{}\n\n{} # old\n", secret(1).to_base64(), secret(2).to_base64());
        let keys = parse_key_file(&text).unwrap();
        assert!(
            matches!(&keys[..], [WrittenKey::Secret(a), WrittenKey::Secret(b)] if (a, b) == (&secret(1), &secret(2)))
        );
        let keys = parse_key_file("ab#cd # a passphrase\n").unwrap();
        assert!(matches!(&keys[..], [WrittenKey::Passphrase(key)] if *key == Secret::from_passphrase("ab#cd")));
        let error = |text| parse_key_file(text).unwrap_err();
        assert_eq!(error("# c\nxx="), (2, ParseKeyError::NotBase64));
        assert_eq!(error("# nothing\n"), (1, ParseKeyError::Missing));
        assert_eq!(error("edge:1:2"), (1, ParseKeyError::Edge));
    }

    #[test]
    fn an_edge_key_survives_being_written_down() {
        let key = secret(1).edge_key(EDGE);
        let WrittenKey::Edge(edge, read) = key.to_line(EDGE).parse().unwrap() else { panic!("an edge key") };
        assert_eq!((edge, read.id, read.key), (EDGE, key.id, key.key));
    }

    #[test]
    fn a_passphrase_is_stretched_and_a_key_with_a_mistake_is_no_passphrase() {
        let WrittenKey::Passphrase(stretched) = "023D4FB4IS83".parse().unwrap() else { panic!("a passphrase") };
        // argon2 -id -v 13 -m 16 -t 3 -p 1 -l 32, of the reference implementation.
        assert_eq!(stretched, Secret::from_passphrase("023D4FB4IS83"));
        assert_ne!(stretched, Secret::from_passphrase("023D4FB4IS84"));
        let cut = &secret(9).to_base64()[..43];
        assert!(matches!(cut.parse::<WrittenKey>(), Err(ParseKeyError::NotBase64)));
        assert!(matches!("two words".parse::<WrittenKey>(), Err(ParseKeyError::NotBase64)));
    }

    #[test]
    fn debug_output_never_shows_a_key() {
        let shown = format!("{:?} {:?}", secret(1), secret(1).edge_key(EDGE));
        assert!(!shown.contains(&secret(1).to_base64()) && !shown.contains("1, 1"), "{shown}");
    }

    #[test]
    fn keys_differ_by_secret_by_edge_and_by_salt() {
        let keys = |secret: &Secret, edge, salt| {
            let keys = secret.edge_key(edge).report_keys(&[salt; SALT_LENGTH]);
            (keys.encryption, keys.signature)
        };
        let base = keys(&secret(1), EDGE, 1);
        assert_ne!(base.0, base.1);
        assert_ne!(base, keys(&secret(2), EDGE, 1));
        assert_ne!(base, keys(&secret(1), EdgeId([8; 16]), 1));
        assert_ne!(base, keys(&secret(1), EDGE, 2));
    }

    #[test]
    fn a_ring_finds_secrets_by_their_id() {
        let ring: KeyRing = [secret(1), secret(2)].into_iter().collect();
        assert_eq!(ring.find(secret(2).id()), Some(&secret(2)));
        assert_eq!(ring.find(secret(3).id()), None);
    }
}
