//! Messages: requests are written, and datagrams of the kernel taken apart (`struct nlmsghdr`).

use super::attribute::{self, NESTED};
use super::{ALIGNMENT, Malformed, behind};

/// Bytes of a message's header.
pub const HEADER_LENGTH: usize = 16;

/// A message's flags (linux/netlink.h).
pub mod flags {
    /// It is a request.
    pub const REQUEST: u16 = 0x01;
    /// The kernel is to acknowledge it.
    pub const ACKNOWLEDGE: u16 = 0x04;
    /// In an answer: what was listed changed meanwhile, so the list may be wrong.
    pub const INTERRUPTED: u16 = 0x10;
    /// The kernel is to list all that there are.
    pub const DUMP: u16 = 0x300;
    /// What is named is to be made if it is not there.
    pub const CREATE: u16 = 0x400;
    /// … behind what is there already.
    pub const APPEND: u16 = 0x800;
    /// In a refusal: the request is not repeated in full.
    pub const CAPPED: u16 = 0x100;
    /// In a refusal or at the end of a list: attributes follow.
    pub const EXPLAINED: u16 = 0x200;
}

/// One message, as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is; up to 15 for netlink itself, above by the protocol.
    pub kind: u16,
    /// See [`flags`].
    pub flags: u16,
    /// The number of the request that it answers.
    pub sequence: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// What follows a protocol's header of so many bytes.
    ///
    /// # Errors
    /// [`Malformed`] when the message is shorter than that.
    pub fn split_body<const LENGTH: usize>(&self) -> Result<([u8; LENGTH], attribute::Attributes<'a>), Malformed> {
        let (header, _) = self.body.split_first_chunk().ok_or(Malformed("a message is shorter than its header"))?;
        Ok((*header, attribute::Attributes(behind(self.body, LENGTH))))
    }
}

/// The messages of a datagram, in order; after one that is malformed nothing more comes.
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
            return Some(Err(Malformed("a message is cut short")));
        };
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let Some(body) = bytes.get(HEADER_LENGTH..length) else {
            return Some(Err(Malformed("a message has an impossible length")));
        };
        self.0 = behind(bytes, length);
        Some(Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            body,
        }))
    }
}

/// A request that is being written; the socket numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
    /// An attribute is longer than its length can say, so that the message must not be sent.
    is_too_long: bool,
}

impl Request {
    /// A request of this kind; [`flags::REQUEST`] is added to its flags.
    #[must_use]
    pub fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER_LENGTH];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | flags::REQUEST).to_ne_bytes());
        Self { bytes, is_too_long: false }
    }

    /// Appends a protocol's header.
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

    /// Appends an attribute that is a text with a NUL at its end.
    pub fn put_text(&mut self, kind: u16, text: &str) -> &mut Self {
        self.put_with(kind, |request| {
            request.bytes.extend(text.as_bytes());
            request.bytes.push(0);
        })
    }

    /// Appends an attribute that has attributes in it.
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

    /// The message as it is sent.
    ///
    /// # Errors
    /// [`Malformed`] when something in it is longer than its length can say.
    pub fn encode(&self, sequence: u32) -> Result<Vec<u8>, Malformed> {
        let length = u32::try_from(self.bytes.len()).ok().filter(|_| !self.is_too_long);
        let length = length.ok_or(Malformed("it would be too long"))?;
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
    fn what_is_written_is_read() {
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
    fn a_message_is_laid_out_as_the_kernel_reads_it() {
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
    fn a_message_that_would_be_too_long_is_not_sent() {
        let mut request = Request::new(16, 0);
        request.nest(1, |request| request.put(2, &[0; 40_000]));
        assert!(request.encode(1).is_ok());
        request.nest(1, |request| request.put(2, &[0; 40_000]).put(2, &[0; 40_000]));
        assert!(request.encode(1).is_err());
    }

    #[test]
    fn several_messages_of_a_datagram_are_told_apart() {
        let mut bytes = Request::new(20, 0).header(&[1]).encode(1).unwrap();
        bytes.extend(Request::new(21, 0).encode(2).unwrap());
        let kinds: Vec<_> = Messages(&bytes).map(|message| message.unwrap().kind).collect();
        assert_eq!(kinds, [20, 21]);
        assert!(Messages(&bytes[..bytes.len() - 1]).last().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn messages_come_to_an_end_whatever_the_bytes(bytes in proptest::collection::vec(0..40_u8, 0..300)) {
            prop_assert!(Messages(&bytes).count() <= bytes.len() / HEADER_LENGTH + 1);
        }
    }
}
