//! Secrets, the keys that are derived from them, and their textual forms.
//!
//! A cluster has one secret, which the balancers hold (several while one is being replaced). Each edge has a key of its
//! own, derived from the secret and the edge's GUID; an edge that holds only this key cannot impersonate another. The
//! keys that seal a datagram are derived from the edge's key and the sender's boot salt, so that a counter is a safe
//! nonce and no counter has to be stored on disk.

mod text;

use std::fmt;

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::edge_id::EdgeId;

pub use text::{MAX_PASSPHRASE_LENGTH, ParseKeyError, ParsedKey, parse_key_file};

/// Length of every key, in bytes.
pub const KEY_LENGTH: usize = 32;
/// Length of a boot salt, in bytes.
pub const SALT_LENGTH: usize = 16;

const KEY_ID_INFO: &[u8] = b"weir/1 key id";
const PASSPHRASE_SALT: &[u8] = b"weir/1 passphrase";
const EDGE_INFO: &[u8] = b"weir/1 edge";
const REPORT_INFO: &[u8] = b"weir/1 report";
const ACK_INFO: &[u8] = b"weir/1 ack";

/// Identifies the secret under which a datagram is sealed, for balancers that hold several.
///
/// The first four bytes of SHA-256(`"weir/1 key id"` ‖ secret). Operators do not have to number keys, and balancers
/// that hold the same secret agree on its id.
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
///
/// ```
/// use weir_protocol::{EdgeId, Secret};
///
/// // In production: 32 bytes of a cryptographic random source.
/// let secret = Secret::from_random([7; 32]);
/// assert_eq!(secret.to_base64().parse(), Ok(secret.clone()));
///
/// // All that one edge needs in order to report.
/// let edge: EdgeId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse()?;
/// let key = secret.edge_key(edge);
/// assert_eq!(key.id(), secret.id());
/// # Ok::<(), weir_protocol::edge_id::ParseEdgeIdError>(())
/// ```
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

    /// Derives a secret from a passphrase by Argon2id (RFC 9106) with 64 MiB of memory and three passes.
    ///
    /// This takes about a tenth of a second, on purpose. The salt is fixed, since agent and balancer share nothing but
    /// the passphrase: an attacker who has recorded one datagram can try passphrases at this price each.
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
}

/// Shows the id only: a secret must never get into a log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id())
    }
}

/// The key of one edge, and the id of the secret from which it is derived: all that the edge needs in order to report.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EdgeKey {
    #[zeroize(skip)]
    id: KeyId,
    key: [u8; KEY_LENGTH],
}

impl EdgeKey {
    /// The id of the secret from which this key is derived.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The keys for the reports of a sender with this boot salt:
    /// `K_enc` ‖ `K_mac` = HKDF-SHA256(salt = boot salt, edge key, info = `"weir/1 report"`).
    #[must_use]
    pub fn report_keys(&self, salt: &[u8; SALT_LENGTH]) -> SessionKeys {
        self.session_keys(salt, REPORT_INFO)
    }

    /// The keys for the acks of a balancer with this boot salt: the same with the info `"weir/1 ack"`.
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

/// The two keys of one sender, valid until it restarts.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SessionKeys {
    /// For AES-256-GCM.
    pub(crate) encryption: [u8; KEY_LENGTH],
    /// For HMAC-SHA-256.
    pub(crate) signature: [u8; KEY_LENGTH],
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

/// The secrets that a balancer accepts, by id.
///
/// Collect one from an iterator of [`Secret`]s.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<(KeyId, Secret)>);

impl KeyRing {
    /// The secret with this id.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&Secret> {
        // A ring holds one secret, or a few while one is being replaced: a scan beats a map.
        self.0.iter().find(|(known, _)| *known == id).map(|(_, secret)| secret)
    }

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
    // HKDF fails only for more than 255 × 32 bytes of output (RFC 5869 section 2.3); callers need 64 at most.
    #[expect(clippy::expect_used, reason = "the length is a constant of this file")]
    hkdf.expand_multi_info(info, output).expect("at most 64 bytes of output");
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: EdgeId = EdgeId([7; 16]);

    fn secret(byte: u8) -> Secret {
        Secret::from_random([byte; KEY_LENGTH])
    }

    #[test]
    fn debug_output_never_contains_a_key() {
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
