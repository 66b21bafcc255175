//! Damage to a datagram.

use crate::script::Script;
use crate::seal::Seal;

/// Damage to a datagram.
#[derive(Clone, Copy, Debug)]
pub enum Damage<'a> {
    /// None.
    None,
    /// By the sender: the bit at this offset of ciphertext and tag is flipped, and the signature matches.
    Spoiled(usize),
    /// In transit: this number is added to the byte at this offset.
    Changed(usize, u8),
    /// In transit: the datagram is truncated to this length.
    Cut(usize),
    /// In transit: these bytes are appended.
    Extended(&'a [u8]),
}

impl<'a> Damage<'a> {
    /// Reads a byte for the kind of damage, with a probability of one half for none, and the parameters of that kind.
    pub fn read(script: &mut Script<'a>) -> Self {
        match script.byte() {
            0..=127 => Self::None,
            128..=159 => Self::Spoiled(script.number()),
            160..=191 => Self::Changed(script.number(), script.byte()),
            192..=223 => Self::Cut(script.number()),
            224.. => {
                let length = script.number();
                Self::Extended(script.bytes(length))
            }
        }
    }

    /// Seals `body` and damages the datagram.
    #[must_use]
    pub fn apply(self, seal: &Seal, body: &[u8]) -> Vec<u8> {
        let spoil = if let Self::Spoiled(at) = self { Some(at) } else { None };
        let mut datagram = seal.datagram(body, spoil);
        match self {
            Self::None | Self::Spoiled(_) => {}
            Self::Changed(at, by) => {
                let at = at % datagram.len();
                datagram[at] = datagram[at].wrapping_add(by);
            }
            Self::Cut(length) => datagram.truncate(length),
            Self::Extended(more) => datagram.extend_from_slice(more),
        }
        datagram
    }
}
