//! The datagram: a header in plain text, the encrypted body and its tag, and a signature over all of it.
//!
//! | bytes | field                                                                                    |
//! |-------|------------------------------------------------------------------------------------------|
//! | 4     | magic `WEIR`                                                                             |
//! | 1     | version, 1                                                                               |
//! | 1     | kind: 1 report, 2 ack                                                                    |
//! | 2     | zero; ignored by readers                                                                 |
//! | 4     | key id                                                                                   |
//! | 16    | edge id                                                                                  |
//! | 16    | boot salt: random, new at each start of the sender                                       |
//! | 8     | counter, big-endian, from 1                                                              |
//! | …     | body: AES-256-GCM ciphertext; nonce = 4 zero bytes ‖ counter, associated data = the header |
//! | 16    | authentication tag of the body                                                           |
//! | 32    | HMAC-SHA-256 of all preceding bytes                                                      |

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::edge_id::EdgeId;
use crate::key::{KeyId, SALT_LENGTH, SessionKeys};
use crate::rejection::Rejection;

/// Maximum length of a datagram in bytes. It passes every path of today's Internet without fragmentation: the minimum
/// MTU of IPv6 is 1280 bytes (RFC 8200 section 5), less 80 for IP, UDP and a tunnel.
pub const MAX_LENGTH: usize = 1200;
/// Length of a datagram without its body, in bytes.
pub const OVERHEAD: usize = HEADER_LENGTH + TAG_LENGTH + SIGNATURE_LENGTH;
/// Length of the header, in bytes.
pub const HEADER_LENGTH: usize = 52;
/// Length of the authentication tag of AES-256-GCM, in bytes.
pub const TAG_LENGTH: usize = 16;
/// Length of the signature, in bytes.
pub const SIGNATURE_LENGTH: usize = 32;
/// Maximum length of a body, in bytes.
pub const MAX_BODY_LENGTH: usize = MAX_LENGTH - OVERHEAD;
/// Minimum length of a datagram, in bytes: a body has at least one.
pub const MIN_LENGTH: usize = OVERHEAD + 1;

const MAGIC: &[u8; 4] = b"WEIR";
const VERSION: u8 = 1;

/// The kind of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// From an agent to a balancer.
    Report = 1,
    /// From a balancer to an agent.
    Ack = 2,
}

/// The header of a datagram. It is authenticated, but not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Report or ack.
    pub kind: Kind,
    /// The secret from which the sender's key is derived.
    pub key_id: KeyId,
    /// The edge that sends the report, or for which the ack is.
    pub edge: EdgeId,
    /// The sender's boot salt.
    pub salt: [u8; SALT_LENGTH],
    /// Increases with every datagram of this salt.
    pub counter: u64,
}

impl Header {
    /// Reads the header of a datagram of the `expected` kind.
    ///
    /// # Errors
    /// [`Rejection::Length`], [`Rejection::Magic`], [`Rejection::Version`] or [`Rejection::Kind`], in this order.
    pub fn parse(datagram: &[u8], expected: Kind) -> Result<Self, Rejection> {
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&datagram.len()) {
            return Err(Rejection::Length);
        }
        let Some((header, _)) = datagram.split_first_chunk::<HEADER_LENGTH>() else {
            return Err(Rejection::Length);
        };
        let [m0, m1, m2, m3, version, kind, _, _, rest @ ..] = header;
        if [*m0, *m1, *m2, *m3] != *MAGIC {
            return Err(Rejection::Magic);
        }
        if *version != VERSION {
            return Err(Rejection::Version);
        }
        if *kind != expected as u8 {
            return Err(Rejection::Kind);
        }
        let (key_id, edge, salt, counter) = (take(rest, 0), take(rest, 4), take(rest, 20), take(rest, 36));
        Ok(Self {
            kind: expected,
            key_id: KeyId(key_id),
            edge: EdgeId(edge),
            salt,
            counter: u64::from_be_bytes(counter),
        })
    }

    fn write(&self, output: &mut [u8; HEADER_LENGTH]) {
        output[..4].copy_from_slice(MAGIC);
        output[4..8].copy_from_slice(&[VERSION, self.kind as u8, 0, 0]);
        output[8..12].copy_from_slice(&self.key_id.0);
        output[12..28].copy_from_slice(&self.edge.0);
        output[28..44].copy_from_slice(&self.salt);
        output[44..].copy_from_slice(&self.counter.to_be_bytes());
    }
}

/// Seals the body that the caller has written at `HEADER_LENGTH..HEADER_LENGTH + body_length`, and returns the length
/// of the datagram.
pub(crate) fn seal(header: &Header, keys: &SessionKeys, body_length: usize, datagram: &mut [u8; MAX_LENGTH]) -> usize {
    debug_assert!((1..=MAX_BODY_LENGTH).contains(&body_length));
    let (head, rest) = datagram.split_at_mut(HEADER_LENGTH);
    #[expect(clippy::expect_used, reason = "the slice was split off at this very length")]
    let head: &mut [u8; HEADER_LENGTH] = head.try_into().expect("split at HEADER_LENGTH");
    header.write(head);
    let cipher = Aes256Gcm::new(&keys.encryption.into());
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM fails only above 64 GiB of plaintext (NIST SP 800-38D section 5.2.1.1)"
    )]
    let tag = cipher
        .encrypt_inout_detached(&nonce(header.counter), head, (&mut rest[..body_length]).into())
        .expect("a body has at most 1100 bytes");
    rest[body_length..body_length + TAG_LENGTH].copy_from_slice(&tag);
    let signed = HEADER_LENGTH + body_length + TAG_LENGTH;
    let signature = signer(keys).chain_update(&datagram[..signed]).finalize().into_bytes();
    datagram[signed..signed + SIGNATURE_LENGTH].copy_from_slice(&signature);
    signed + SIGNATURE_LENGTH
}

/// Verifies the signature in constant time. `datagram` has passed [`Header::parse`].
pub(crate) fn verify(keys: &SessionKeys, datagram: &[u8]) -> bool {
    let (signed, signature) = datagram.split_at(datagram.len() - SIGNATURE_LENGTH);
    signer(keys).chain_update(signed).verify_slice(signature).is_ok()
}

/// Decrypts the body in place. Returns `None` if the tag is wrong. `datagram` has passed [`Header::parse`].
pub(crate) fn decrypt<'d>(keys: &SessionKeys, counter: u64, datagram: &'d mut [u8]) -> Option<&'d [u8]> {
    let end = datagram.len() - SIGNATURE_LENGTH - TAG_LENGTH;
    let (head, rest) = datagram.split_at_mut(HEADER_LENGTH);
    let (body, rest) = rest.split_at_mut(end - HEADER_LENGTH);
    let tag = Tag::try_from(&rest[..TAG_LENGTH]).ok()?;
    let cipher = Aes256Gcm::new(&keys.encryption.into());
    cipher.decrypt_inout_detached(&nonce(counter), head, (&mut *body).into(), &tag).ok()?;
    Some(body)
}

fn nonce(counter: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce.into()
}

fn signer(keys: &SessionKeys) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 section 2)")]
    Hmac::new_from_slice(&keys.signature).expect("HMAC takes keys of any length")
}

/// The `N` bytes at `offset`. Both are constants of [`Header::parse`], whose array is long enough for each of them.
fn take<const N: usize>(bytes: &[u8; HEADER_LENGTH - 8], offset: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&bytes[offset..offset + N]);
    taken
}
