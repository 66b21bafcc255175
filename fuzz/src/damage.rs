//! What can happen to a datagram.

use crate::script::Script;
use crate::seal::Seal;

/// What happens to a datagram.
#[derive(Clone, Copy, Debug)]
pub enum Damage<'a> {
    /// Nothing.
    None,
    /// The sender has a defect: a bit of the ciphertext or the tag is wrong, and the signature over it right.
    Spoiled(usize),
    /// On its way a byte becomes this much larger.
    Changed(usize, u8),
    /// On its way it is cut to this length.
    Cut(usize),
    /// On its way something is added.
    Extended(&'a [u8]),
}

impl<'a> Damage<'a> {
    /// Reads a byte for what it is, none as often as all others together, and what that takes.
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

    /// What arrives of a datagram.
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
