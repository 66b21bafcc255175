//! Attributes: sequences of length, type and value, which may be nested (`struct nlattr`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Malformed, after_padded};

/// Length of an attribute header, in bytes.
pub(crate) const HEADER_LENGTH: usize = 4;
/// `NLA_F_NESTED`: set in requests; replies of older families lack it.
pub(crate) const NESTED: u16 = 1 << 15;
/// The type without its two flags (`NLA_TYPE_MASK`).
const KIND: u16 = !(0b11 << 14);

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The attribute's type, without flags.
    pub kind: u16,
    /// The value, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The nested attributes.
    #[must_use]
    pub fn nested(&self) -> Attributes<'a> {
        Attributes(self.value)
    }

    /// The value as an 8-bit number.
    ///
    /// # Errors
    /// [`Malformed`] when the value has another length.
    pub fn u8(&self) -> Result<u8, Malformed> {
        self.array().map(u8::from_ne_bytes)
    }

    /// The value as a 16-bit number.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u16(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_ne_bytes)
    }

    /// The value as a 16-bit number in network byte order.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u16_be(&self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// The value as a 32-bit number.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u32(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    /// The value as a 32-bit number in network byte order.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn u32_be(&self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// The value as a counter of 32 or 64 bits; kernels have used both widths.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn counter(&self) -> Result<u64, Malformed> {
        self.u32().map(u64::from).or_else(|_| self.array().map(u64::from_ne_bytes))
    }

    /// The value as an IPv4 or IPv6 address, depending on its length.
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
    /// [`Malformed`] when the text is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Malformed> {
        let end = self.value.iter().position(|byte| *byte == 0).unwrap_or(self.value.len());
        std::str::from_utf8(&self.value[..end]).map_err(|_| Malformed("text is not UTF-8"))
    }

    /// The value as an array of `LENGTH` bytes.
    ///
    /// # Errors
    /// As [`u8`](Self::u8).
    pub fn array<const LENGTH: usize>(&self) -> Result<[u8; LENGTH], Malformed> {
        self.value.try_into().map_err(|_| Malformed("attribute has an unexpected length"))
    }
}

/// Iterator over the attributes in a byte slice. It ends after the first malformed attribute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// Finds the first attribute of type `kind`.
    ///
    /// # Errors
    /// [`Malformed`] when an attribute before it is malformed.
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
            return Some(Err(Malformed("truncated attribute")));
        };
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let Some(value) = bytes.get(HEADER_LENGTH..length) else {
            return Some(Err(Malformed("attribute has an impossible length")));
        };
        self.0 = after_padded(bytes, length);
        Some(Ok(Attribute { kind: u16::from_ne_bytes([*k0, *k1]) & KIND, value }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn flags_and_padding_are_stripped() {
        let bytes = [&5_u16.to_ne_bytes()[..], &(NESTED | 7).to_ne_bytes(), &[9, 0, 0, 0]].concat();
        let attributes: Vec<_> = Attributes(&bytes).collect();
        assert_eq!(attributes, [Ok(Attribute { kind: 7, value: &[9] })]);
        assert_eq!(attributes[0].unwrap().u8(), Ok(9));
        assert!(attributes[0].unwrap().u32().is_err());
    }

    #[test]
    fn text_ends_at_the_first_nul() {
        let text = |value| Attribute { kind: 1, value }.text();
        assert_eq!(text(b"wlc\0\0"), Ok("wlc"));
        assert_eq!(text(b"wlc"), Ok("wlc"));
        assert!(text(b"\xff\0").is_err());
    }

    #[test]
    fn a_counter_has_32_or_64_bits() {
        assert_eq!(Attribute { kind: 1, value: &7_u32.to_ne_bytes() }.counter(), Ok(7));
        assert_eq!(Attribute { kind: 1, value: &u64::MAX.to_ne_bytes() }.counter(), Ok(u64::MAX));
        assert!(Attribute { kind: 1, value: &[0; 5] }.counter().is_err());
    }

    proptest! {
        #[test]
        fn iteration_ends_for_any_bytes(bytes in proptest::collection::vec(0..9_u8, 0..200)) {
            prop_assert!(Attributes(&bytes).count() <= bytes.len() / HEADER_LENGTH + 1);
        }
    }
}
