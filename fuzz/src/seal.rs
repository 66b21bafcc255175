//! Seals datagrams, valid and invalid.
//!
//! Written from `docs/protocol.md`, not from the code under test, so that a disagreement is a finding. It seals bodies
//! that no sender of Weir's would, because otherwise no such body would pass the signature check.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The offset of the body.
pub const HEADER_LENGTH: usize = 52;

/// The kind of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From an agent to a balancer.
    Report = 1,
    /// From a balancer to an agent.
    Ack = 2,
}

/// The parameters of a sealed datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The kind. Both kinds have the same format and different keys.
    pub kind: Kind,
    /// The cluster's secret, from which the keys are derived.
    pub secret: [u8; 32],
    /// The secret to which the key ID in the header belongs.
    pub claimed: [u8; 32],
    /// The edge's GUID.
    pub edge: [u8; 16],
    /// The sender's boot salt.
    pub salt: [u8; 16],
    /// The counter.
    pub counter: u64,
}

impl Seal {
    /// Seals any body. At the offset `spoil` of ciphertext and tag, a bit is flipped before signing: the signature then
    /// is valid, and the tag is not.
    #[must_use]
    pub fn datagram(&self, body: &[u8], spoil: Option<usize>) -> Vec<u8> {
        let (encryption, signature) = self.keys();
        let mut datagram = Vec::with_capacity(HEADER_LENGTH + body.len() + 48);
        datagram.extend_from_slice(b"WEIR\x01");
        datagram.extend_from_slice(&[self.kind as u8, 0, 0]);
        datagram.extend_from_slice(&Sha256::digest([b"weir/1 key id", &self.claimed[..]].concat())[..4]);
        datagram.extend_from_slice(&self.edge);
        datagram.extend_from_slice(&self.salt);
        datagram.extend_from_slice(&self.counter.to_be_bytes());
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        let mut sealed = body.to_vec();
        let tag = Aes256Gcm::new(&encryption.into())
            .encrypt_inout_detached(&Nonce::from(nonce), &datagram, sealed.as_mut_slice().into())
            .expect("a body is no longer than an input");
        sealed.extend_from_slice(&tag);
        if let Some(at) = spoil {
            let at = at % sealed.len();
            sealed[at] ^= 1;
        }
        datagram.extend_from_slice(&sealed);
        let signature = mac(&signature).chain_update(&datagram).finalize().into_bytes();
        datagram.extend_from_slice(&signature);
        datagram
    }

    /// Opens a balancer's ack to the edge whose reports are sealed with these parameters, and returns its body.
    #[must_use]
    pub fn open_ack(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (signed, signature) = datagram.split_last_chunk::<32>()?;
        let (header, sealed) = signed.split_first_chunk::<HEADER_LENGTH>()?;
        let (body, tag) = sealed.split_last_chunk::<16>()?;
        let mut salt = [0; 16];
        salt.copy_from_slice(&header[28..44]);
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&header[44..]);
        let (encryption, authentication) = Self { kind: Kind::Ack, salt, ..*self }.keys();
        mac(&authentication).chain_update(signed).verify_slice(signature).ok()?;
        let mut body = body.to_vec();
        let cipher = Aes256Gcm::new(&encryption.into());
        let text = body.as_mut_slice().into();
        cipher.decrypt_inout_detached(&Nonce::from(nonce), header, text, &Tag::from(*tag)).ok()?;
        Some(body)
    }

    /// Returns the encryption key and the signature key.
    fn keys(&self) -> ([u8; 32], [u8; 32]) {
        let mut edge_key = [0; 32];
        expand(None, &self.secret, &[b"weir/1 edge", &self.edge[..]].concat(), &mut edge_key);
        let mut both = [0; 64];
        let info = match self.kind {
            Kind::Report => &b"weir/1 report"[..],
            Kind::Ack => b"weir/1 ack",
        };
        expand(Some(&self.salt), &edge_key, info, &mut both);
        let mut keys = ([0; 32], [0; 32]);
        keys.0.copy_from_slice(&both[..32]);
        keys.1.copy_from_slice(&both[32..]);
        keys
    }
}

fn expand(salt: Option<&[u8]>, input: &[u8], info: &[u8], output: &mut [u8]) {
    Hkdf::<Sha256>::new(salt, input).expand(info, output).expect("at most 64 bytes are requested");
}

fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC accepts keys of any length")
}
