//! The three packets that open a connection (RTMP 1.0, section 5.2), simple and digest.
//!
//! A client that leaves the version in its first packet at zero, as the specification has it, gets the simple
//! handshake; this is most of them, and costs nothing. Any other may be one that signs its packets, as Flash players
//! and FFmpeg do, and is answered by `rml_rtmp`. A client that asks for RTMPE gets the simple one whatever it sent:
//! answered with version 3 and a signed packet, librtmp would go on to encrypt.
//!
//! `rml_rtmp` is given one whole first packet and then dropped. It may not be given more: it buffers and copies
//! whatever it gets, also after the end, draws 1,500 random numbers before it looks at the client's version byte,
//! and after a bad version takes the next byte for one. What it writes is filled from `rand`'s thread generator.
//!
//! The client's last packet is counted but not checked: `rml_rtmp` does not either, as Flash players fail the check.

use rml_rtmp::handshake::{Handshake as Exchange, HandshakeProcessResult, PeerType};

/// Bytes of each packet after the version byte.
pub(super) const PACKET_LENGTH: usize = 1536;

/// What a client sends at first: version and packet.
pub(super) const FIRST_LENGTH: usize = 1 + PACKET_LENGTH;

/// Bytes that a client sends before its first chunk: the version, and two packets.
pub const HANDSHAKE_LENGTH: usize = FIRST_LENGTH + PACKET_LENGTH;

/// Plain RTMP, and what we answer to anyone (RTMP 1.0, section 5.2.2).
pub(super) const VERSION_PLAIN: u8 = 3;

/// RTMPE.
const VERSION_ENCRYPTED: u8 = 6;

/// Our version and first packet in a simple handshake, with clients and with edges: time zero, zero, and filling, which
/// need not be random "or even dynamic" (section 5.2.3), only unlike what the other fills its own with.
pub(super) const SIMPLE: [u8; FIRST_LENGTH] = {
    let mut bytes = [0; FIRST_LENGTH];
    bytes[0] = VERSION_PLAIN;
    let mut index = 1 + 8;
    let mut state: u32 = 0x5745_4952;
    while index < FIRST_LENGTH {
        // Marsaglia's xorshift, 32 bits: full period from any state but zero.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes[index] = state.to_be_bytes()[0];
        index += 1;
    }
    bytes
};

/// The bytes are not an RTMP handshake: the first is neither 3 (RTMP) nor 6 (RTMPE).
///
/// No later byte can be wrong: a packet without a digest is a simple handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RTMP handshake: the first byte must be 3 or 6")]
pub struct Error;

/// The server's side of one handshake.
#[derive(Debug, Default)]
pub struct Handshake {
    /// The client's version and first packet, until they are complete and answered.
    first: Vec<u8>,
    /// Bytes of the handshake received so far.
    received: usize,
}

impl Handshake {
    /// Waits for the client's first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the handshake's bytes off the front of `input`, appends what is to be sent to `output`, and says
    /// whether the handshake is complete. What it leaves in `input` is the beginning of the chunk stream.
    ///
    /// We answer once the first packet is whole (section 5.2.1 allows it), and with all three packets at once.
    ///
    /// # Errors
    ///
    /// [`Error`] if this is not RTMP; nothing has been written then, and the handshake must not be used again.
    pub fn receive(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Error> {
        if self.received < FIRST_LENGTH {
            let part = self.take(input, FIRST_LENGTH);
            self.first.extend_from_slice(part);
            if !matches!(self.first.first(), None | Some(&VERSION_PLAIN | &VERSION_ENCRYPTED)) {
                return Err(Error);
            }
            if self.received < FIRST_LENGTH {
                return Ok(false);
            }
            answer(&std::mem::take(&mut self.first), output)?;
        }
        self.take(input, HANDSHAKE_LENGTH);
        Ok(self.received == HANDSHAKE_LENGTH)
    }

    /// Takes bytes off the front of `input` until `end` bytes of the handshake have been received.
    fn take<'a>(&mut self, input: &mut &'a [u8], end: usize) -> &'a [u8] {
        let (part, rest) = input.split_at(input.len().min(end - self.received));
        *input = rest;
        self.received += part.len();
        part
    }
}

/// Answers a client's version and first packet, `FIRST_LENGTH` bytes.
fn answer(first: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
    if first[0] == VERSION_ENCRYPTED || first[5..9] == [0; 4] {
        output.extend_from_slice(&SIMPLE);
        output.extend_from_slice(&first[1..]);
        return Ok(());
    }
    // No error is left for it to find in these bytes; should a later version find one, it is not a handshake.
    let (HandshakeProcessResult::InProgress { response_bytes }
    | HandshakeProcessResult::Completed { response_bytes, .. }) =
        Exchange::new(PeerType::Server).process_bytes(first).map_err(|_| Error)?;
    output.extend_from_slice(&response_bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn simple(version: u8) -> Vec<u8> {
        let mut bytes = vec![0x5a; HANDSHAKE_LENGTH];
        bytes[0] = version;
        bytes[5..9].fill(0);
        bytes
    }

    #[test]
    fn a_simple_handshake_gets_its_own_packet_back() {
        let client = simple(3);
        let mut output = Vec::new();
        let mut input = &client[..];
        assert_eq!(Handshake::new().receive(&mut input, &mut output), Ok(true));
        assert_eq!(output.len(), HANDSHAKE_LENGTH);
        assert_eq!(output[0], 3);
        assert_eq!(output[5..9], [0; 4], "says that it is simple, too");
        assert_eq!(output[FIRST_LENGTH..], client[1..FIRST_LENGTH]);
    }

    #[test]
    fn a_packet_with_a_version_but_no_digest_gets_itself_back() {
        let mut client = simple(3);
        client[5] = 1;
        let mut output = Vec::new();
        let done = Handshake::new().receive(&mut &client[..], &mut output);
        assert_eq!(done, Ok(true));
        assert_eq!(output[FIRST_LENGTH..], client[1..FIRST_LENGTH]);
    }

    #[test]
    fn a_digest_handshake_is_completed_by_the_library_s_own_client() {
        let mut client = Exchange::new(PeerType::Client);
        let mut server = Handshake::new();
        let first = client.generate_outbound_p0_and_p1().unwrap();
        let mut output = Vec::new();
        assert_eq!(server.receive(&mut &first[..], &mut output), Ok(false));
        assert_ne!(output[FIRST_LENGTH..], first[1..], "signed, not echoed");
        let Ok(HandshakeProcessResult::Completed { response_bytes, .. }) = client.process_bytes(&output) else {
            panic!("the client did not accept our packets");
        };
        assert_eq!(server.receive(&mut &response_bytes[..], &mut output), Ok(true));
    }

    #[test]
    fn a_client_that_signs_and_asks_for_rtmpe_gets_a_simple_handshake() {
        let mut exchange = Exchange::new(PeerType::Client);
        let mut client = exchange.generate_outbound_p0_and_p1().unwrap();
        client[0] = 6;
        let mut output = Vec::new();
        let done = Handshake::new().receive(&mut &client[..], &mut output);
        assert_eq!(done, Ok(false));
        assert_eq!(output[0], 3);
        assert_eq!(output[5..9], [0; 4]);
        assert_eq!(output[FIRST_LENGTH..], client[1..]);
    }

    #[test]
    fn any_other_version_is_refused_without_an_answer() {
        for version in (0..=255).filter(|version| ![3, 6].contains(version)) {
            let mut output = Vec::new();
            let result = Handshake::new().receive(&mut &[version][..], &mut output);
            assert_eq!(result, Err(Error));
            assert!(output.is_empty());
        }
    }

    #[test]
    fn what_follows_the_handshake_is_left_in_the_input() {
        let mut client = simple(3);
        client.extend_from_slice(b"chunks");
        let mut input = &client[..];
        let mut handshake = Handshake::new();
        assert_eq!(handshake.receive(&mut input, &mut Vec::new()), Ok(true));
        assert_eq!(input, b"chunks");
        assert_eq!(handshake.receive(&mut input, &mut Vec::new()), Ok(true));
        assert_eq!(input, b"chunks");
    }

    #[test]
    fn nothing_is_sent_before_the_first_packet_is_whole() {
        let mut output = Vec::new();
        let mut handshake = Handshake::new();
        assert_eq!(handshake.receive(&mut &[][..], &mut output), Ok(false));
        let begun = &simple(3)[..FIRST_LENGTH - 1];
        let done = handshake.receive(&mut &begun[..], &mut output);
        assert_eq!(done, Ok(false));
        assert!(output.is_empty());
    }

    #[test]
    fn one_byte_at_a_time_is_as_good_as_one_piece() {
        let client = simple(3);
        let mut handshake = Handshake::new();
        let mut output = Vec::new();
        for (index, byte) in client.iter().enumerate() {
            let done = handshake.receive(&mut std::slice::from_ref(byte), &mut output);
            assert_eq!(done, Ok(index + 1 == HANDSHAKE_LENGTH));
        }
        assert_eq!(output[FIRST_LENGTH..], client[1..FIRST_LENGTH]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_packets_complete_a_handshake(packets in proptest::collection::vec(any::<u8>(), HANDSHAKE_LENGTH - 1)) {
            let mut client = vec![3];
            client.extend(packets);
            let mut output = Vec::new();
            prop_assert_eq!(Handshake::new().receive(&mut &client[..], &mut output), Ok(true));
            prop_assert_eq!(output.len(), HANDSHAKE_LENGTH);
        }
    }
}
