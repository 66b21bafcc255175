//! Messages: encodes requests and splits datagrams of the kernel into messages (`struct nlmsghdr`).

use super::attribute::{self, NESTED};
use super::{ALIGNMENT, Malformed, after_padded};

/// Length of a message header, in bytes.
pub const HEADER_LENGTH: usize = 16;

/// Message flags (linux/netlink.h).
pub mod flags {
    /// `NLM_F_REQUEST`: set in every request.
    pub const REQUEST: u16 = 0x01;
    /// `NLM_F_ACK`: requests an acknowledgement.
    pub const ACKNOWLEDGE: u16 = 0x04;
    /// `NLM_F_DUMP_INTR`, in replies: the dumped objects changed during the dump, which may be inconsistent.
    pub const INTERRUPTED: u16 = 0x10;
    /// `NLM_F_DUMP`: requests all objects.
    pub const DUMP: u16 = 0x300;
    /// `NLM_F_CREATE`: creates the object if it does not exist.
    pub const CREATE: u16 = 0x400;
    /// `NLM_F_APPEND`: appends the object to the existing ones.
    pub const APPEND: u16 = 0x800;
    /// `NLM_F_CAPPED`, in errors: only the header of the request is echoed.
    pub const CAPPED: u16 = 0x100;
    /// `NLM_F_ACK_TLVS`, in errors and at the end of a dump: attributes follow.
    pub const EXPLAINED: u16 = 0x200;
}

/// A received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Message type. Types below 16 belong to netlink itself, the others to the protocol.
    pub kind: u16,
    /// See [`flags`].
    pub flags: u16,
    /// Sequence number of the request that the message replies to.
    pub sequence: u32,
    /// Everything after the header.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Splits the body into the protocol's own header of `LENGTH` bytes and the attributes after it.
    ///
    /// # Errors
    /// [`Malformed`] when the message is shorter than that header.
    pub fn split_body<const LENGTH: usize>(&self) -> Result<([u8; LENGTH], attribute::Attributes<'a>), Malformed> {
        let (header, _) = self.body.split_first_chunk().ok_or(Malformed("message is shorter than its header"))?;
        Ok((*header, attribute::Attributes(after_padded(self.body, LENGTH))))
    }
}

/// Iterator over the messages of a datagram. It ends after the first malformed message.
#[derive(Debug, Clone, Copy)]
pub struct Messages<'a>(pub &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_LENGTH>() else {
            return Some(Err(Malformed("truncated message")));
        };
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let Some(body) = bytes.get(HEADER_LENGTH..length) else {
            return Some(Err(Malformed("message has an impossible length")));
        };
        self.0 = after_padded(bytes, length);
        Some(Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            body,
        }))
    }
}

/// A request under construction. The socket assigns its sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
    /// Whether an attribute exceeds its 16-bit length field, so that the message must not be sent.
    is_too_long: bool,
}

impl Request {
    /// Creates a request of type `kind`; [`flags::REQUEST`] is added to `flags`.
    #[must_use]
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_LENGTH];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | flags::REQUEST).to_ne_bytes());
        Self { bytes, is_too_long: false }
    }

    /// Appends the protocol's own header.
    #[must_use]
    pub fn header(mut self, header: &[u8]) -> Self {
        self.bytes.extend(header);
        self.pad();
        self
    }

    /// Appends an attribute.
    pub fn put(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.put_with(kind, |request| request.bytes.extend(value))
    }

    /// Appends a text attribute, terminated by a NUL.
    pub fn put_text(&mut self, kind: u16, text: &str) -> &mut Self {
        self.put_with(kind, |request| {
            request.bytes.extend(text.as_bytes());
            request.bytes.push(0);
        })
    }

    /// Appends an attribute that contains the attributes that `fill` appends.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self) -> &mut Self) -> &mut Self {
        self.put_with(kind | NESTED, |request| {
            fill(request);
        })
    }

    /// The message's flags.
    #[must_use]
    pub fn flags(&self) -> u16 {
        u16::from_ne_bytes([self.bytes[6], self.bytes[7]])
    }

    /// Adds to the message's flags.
    pub fn add_flags(&mut self, flags: u16) {
        let flags = self.flags() | flags;
        self.bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    }

    /// Returns the bytes of the message.
    ///
    /// # Errors
    /// [`Malformed`] when the message or an attribute exceeds its length field.
    pub fn encode(&self, sequence: u32) -> Result<Vec<u8>, Malformed> {
        let length = u32::try_from(self.bytes.len()).ok().filter(|_| !self.is_too_long);
        let length = length.ok_or(Malformed("request too long"))?;
        let mut bytes = self.bytes.clone();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Ok(bytes)
    }

    fn put_with(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend([0; attribute::HEADER_LENGTH]);
        fill(self);
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.is_too_long = true,
        }
        self.bytes[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        self.pad();
        self
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_encoded_request_can_be_parsed() {
        let mut request = Request::new(20, flags::DUMP).header(&[1, 2, 3, 4]);
        request.put(1, &[9]).put_text(2, "wlc").nest(3, |request| request.put(4, &5_u32.to_ne_bytes()));
        let bytes = request.encode(77).unwrap();
        let message = Messages(&bytes).next().unwrap().unwrap();
        assert_eq!((message.kind, message.flags, message.sequence), (20, 0x301, 77));
        let (header, attributes) = message.split_body::<4>().unwrap();
        assert_eq!(header, [1, 2, 3, 4]);
        let attributes: Vec<_> = attributes.map(Result::unwrap).collect();
        assert_eq!(attributes.iter().map(|attribute| attribute.kind).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(attributes[0].value, [9]);
        assert_eq!(attributes[1].text(), Ok("wlc"));
        assert_eq!(attributes[2].nested().find_kind(4).unwrap().unwrap().u32(), Ok(5));
        assert_eq!(attributes[2].nested().find_kind(5), Ok(None));
    }

    #[test]
    fn the_encoding_matches_the_kernels_layout() {
        let mut request = Request::new(16, 4).header(&[3, 1, 0, 0]);
        request.put_text(2, "IPVS");
        let little_endian = [
            &[32, 0, 0, 0, 16, 0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0][..],
            &[9, 0, 2, 0, b'I', b'P', b'V', b'S', 0, 0, 0, 0],
        ];
        if cfg!(target_endian = "little") {
            assert_eq!(request.encode(7).unwrap(), little_endian.concat());
        }
    }

    #[test]
    fn a_request_that_is_too_long_is_not_encoded() {
        let mut request = Request::new(16, 0);
        request.nest(1, |request| request.put(2, &[0; 40_000]));
        assert!(request.encode(1).is_ok());
        request.nest(1, |request| request.put(2, &[0; 40_000]).put(2, &[0; 40_000]));
        assert!(request.encode(1).is_err());
    }

    #[test]
    fn a_datagram_is_split_into_its_messages() {
        let mut bytes = Request::new(20, 0).header(&[1]).encode(1).unwrap();
        bytes.extend(Request::new(21, 0).encode(2).unwrap());
        let kinds: Vec<_> = Messages(&bytes).map(|message| message.unwrap().kind).collect();
        assert_eq!(kinds, [20, 21]);
        assert!(Messages(&bytes[..bytes.len() - 1]).last().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn iteration_ends_for_any_bytes(bytes in proptest::collection::vec(0..40_u8, 0..300)) {
            prop_assert!(Messages(&bytes).count() <= bytes.len() / HEADER_LENGTH + 1);
        }
    }
}
