//! Attributes: length, type and value, in a row or inside one another (`struct nlattr`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Malformed, behind};

/// Bytes of an attribute's header.
pub(crate) const HEADER_LENGTH: usize = 4;
/// `NLA_F_NESTED`, which requests carry, and older families' answers do not.
pub(crate) const NESTED: u16 = 1 << 15;
/// What is left of the type without its two flags (`NLA_TYPE_MASK`).
const KIND: u16 = !(0b11 << 14);

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type, without flags.
    pub kind: u16,
    /// The value, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The attributes inside.
    #[must_use]
    pub fn nested(&self) -> Attributes<'a> {
        Attributes(self.value)
    }

    /// The value as a number of 8 bits.
    ///
    /// # Errors
    /// [`Malformed`], here and below, when the value has another length.
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.array().map(u8::from_ne_bytes)
    }

    /// The value as a number of 16 bits.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u16(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_ne_bytes)
    }

    /// The value as a number of 16 bits in network byte order.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u16_be(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// The value as a number of 32 bits.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    /// The value as a number of 32 bits in network byte order.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u32_be(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// The value as a number of 32 or 64 bits: counters have had both widths.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn counter(&self) -> Result<u64, Malformed> {
        self.u32().map(u64::from).or_else(|_| self.array().map(u64::from_ne_bytes))
    }

    /// The value as an address, by its length.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn address(&self) -> Result<IpAddr, Malformed> {
        let v4 = self.array::<4>().map(|bytes| Ipv4Addr::from(bytes).into());
        v4.or_else(|_| self.array::<16>().map(|bytes| Ipv6Addr::from(bytes).into()))
    }

    /// The value as text, up to its first NUL.
    ///
    /// # Errors
    /// [`Malformed`] when that is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Malformed> {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        std::str::from_utf8(&self.value[..end]).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// The value as so many bytes.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn array<const LENGTH: usize>(&self) -> Result<[u8; LENGTH], Malformed> {
        self.value.try_into().map_err(|_| Malformed("an attribute has an unexpected length"))
    }
}

/// The attributes in these bytes, in order; after one that is malformed nothing more comes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The first attribute of this type.
    ///
    /// # Errors
    /// [`Malformed`] when one ahead of it is.
    pub fn find_kind(self, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
        for attribute in self {
            let attribute = attribute?;
            if attribute.kind == kind {
                return Ok(Some(attribute));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        let Some(([l0, l1, k0, k1], _)) = bytes.split_first_chunk::<HEADER_LENGTH>() else {
            return Some(Err(Malformed("an attribute is cut short")));
        };
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let Some(value) = bytes.get(HEADER_LENGTH..length) else {
            return Some(Err(Malformed("an attribute has an impossible length")));
        };
        self.0 = behind(bytes, length);
        Some(Ok(Attribute { kind: u16::from_ne_bytes([*k0, *k1]) & KIND, value }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flags_and_padding_are_no_part_of_an_attribute() {
        let bytes = [&5_u16.to_ne_bytes()[..], &(NESTED | 7).to_ne_bytes(), &[9, 0, 0, 0]].concat();
        let attributes: Vec<_> = Attributes(&bytes).collect();
        assert_eq!(attributes, [Ok(Attribute { kind: 7, value: &[9] })]);
        assert_eq!(attributes[0].unwrap().u8(), Ok(9));
        assert!(attributes[0].unwrap().u32().is_err());
    }

    #[test]
    fn a_text_ends_with_its_first_nul() {
        let text = |value| Attribute { kind: 1, value }.text();
        assert_eq!(text(b"wlc\0\0"), Ok("wlc"));
        assert_eq!(text(b"wlc"), Ok("wlc"));
        assert!(text(b"\xff\0").is_err());
    }

    #[test]
    fn a_counter_may_be_short_or_long() {
        assert_eq!(Attribute { kind: 1, value: &7_u32.to_ne_bytes() }.counter(), Ok(7));
        assert_eq!(Attribute { kind: 1, value: &u64::MAX.to_ne_bytes() }.counter(), Ok(u64::MAX));
        assert!(Attribute { kind: 1, value: &[0; 5] }.counter().is_err());
    }

    proptest! {
        #[test]
        fn attributes_come_to_an_end_whatever_the_bytes(bytes in proptest::collection::vec(0..9_u8, 0..200)) {
            prop_assert!(Attributes(&bytes).count() <= bytes.len() / HEADER_LENGTH + 1);
        }
    }
}
