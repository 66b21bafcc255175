//! The handshake: a version and two packets in each direction (section 5.2), simple and digest.
//!
//! A client that leaves the second field of its first packet (C1) at zero, as the specification requires, receives a
//! simple handshake. Most clients do, and it costs nothing. A client that puts a version there may sign its packets, as
//! Flash players and FFmpeg do, and is answered by `rml_rtmp`. A client that requests RTMPE always receives a simple
//! handshake: after version 3 and a signed packet, librtmp would start to encrypt.
//!
//! `rml_rtmp` is given one complete first packet and is then dropped. It must not be given more. It buffers and copies
//! its input, even after the end of the handshake, draws 1,500 random numbers before it looks at the client's version
//! byte, and after an invalid version takes the next byte for one. Its output is filled from `rand`'s thread generator.
//!
//! The client's second packet (C2) is counted and not checked. Neither does `rml_rtmp` check it, because Flash players
//! fail the check.

use rml_rtmp::handshake::{Handshake as Exchange, HandshakeProcessResult, PeerType};

/// The length of each packet after the version byte.
pub(super) const PACKET_LENGTH: usize = 1536;

/// The length of the version and the first packet: C0 and C1, or S0 and S1.
pub(super) const VERSION_AND_PACKET_LENGTH: usize = 1 + PACKET_LENGTH;

/// The number of bytes that a client sends before its first chunk: the version and two packets (C0, C1 and C2).
pub const HANDSHAKE_LENGTH: usize = VERSION_AND_PACKET_LENGTH + PACKET_LENGTH;

/// The version of plain RTMP, which every client receives (section 5.2.2).
pub(super) const VERSION_PLAIN: u8 = 3;

/// The version of RTMPE.
const VERSION_ENCRYPTED: u8 = 6;

/// The balancer's version and first packet in a simple handshake: S0 and S1 with clients, C0 and C1 with edges.
///
/// Time zero, zero, and filler. The filler need not be random "or even dynamic" (section 5.2.3); it only has to differ
/// from the peer's.
pub(super) const SIMPLE_PACKET: [u8; VERSION_AND_PACKET_LENGTH] = {
    let mut bytes = [0; VERSION_AND_PACKET_LENGTH];
    bytes[0] = VERSION_PLAIN;
    let mut index = 1 + 8;
    let mut state: u32 = 0x5745_4952;
    while index < VERSION_AND_PACKET_LENGTH {
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
/// No later byte can be invalid: a packet without a digest is a simple handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RTMP handshake: the first byte must be 3 or 6")]
pub struct Error;

/// The server's side of one handshake.
#[derive(Debug, Default)]
pub struct Handshake {
    /// The client's version and first packet (C0 and C1), until they are answered.
    first: Vec<u8>,
    /// The number of bytes received of the handshake.
    received: usize,
}

impl Handshake {
    /// Creates a handshake that waits for the client's first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes of the handshake off the front of `input` and appends the bytes to send to `output`. Returns
    /// whether the handshake is complete; the rest of `input` is then the start of the first chunk.
    ///
    /// Sends S0, S1 and S2 together once C1 is complete, as section 5.2.1 permits.
    ///
    /// # Errors
    ///
    /// [`Error`] if this is not RTMP. `output` is then unchanged, and the handshake must not be used again.
    pub fn receive(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<bool, Error> {
        if self.received < VERSION_AND_PACKET_LENGTH {
            let part = self.take(input, VERSION_AND_PACKET_LENGTH);
            self.first.extend_from_slice(part);
            if !matches!(self.first.first(), None | Some(&VERSION_PLAIN | &VERSION_ENCRYPTED)) {
                return Err(Error);
            }
            if self.received < VERSION_AND_PACKET_LENGTH {
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

/// Answers a client's version and first packet, [`VERSION_AND_PACKET_LENGTH`] bytes.
fn answer(first: &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
    if first[0] == VERSION_ENCRYPTED || first[5..9] == [0; 4] {
        output.extend_from_slice(&SIMPLE_PACKET);
        output.extend_from_slice(&first[1..]);
        return Ok(());
    }
    // The library finds no error in such bytes. If a later version does, they are not a handshake.
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
    fn a_simple_handshake_returns_the_client_s_packet() {
        let client = simple(3);
        let mut output = Vec::new();
        let mut input = &client[..];
        assert_eq!(Handshake::new().receive(&mut input, &mut output), Ok(true));
        assert_eq!(output.len(), HANDSHAKE_LENGTH);
        assert_eq!(output[0], 3);
        assert_eq!(output[5..9], [0; 4], "marked as simple, too");
        assert_eq!(output[VERSION_AND_PACKET_LENGTH..], client[1..VERSION_AND_PACKET_LENGTH]);
    }

    #[test]
    fn a_packet_with_a_version_but_no_digest_is_returned() {
        let mut client = simple(3);
        client[5] = 1;
        let mut output = Vec::new();
        let done = Handshake::new().receive(&mut &client[..], &mut output);
        assert_eq!(done, Ok(true));
        assert_eq!(output[VERSION_AND_PACKET_LENGTH..], client[1..VERSION_AND_PACKET_LENGTH]);
    }

    #[test]
    fn a_digest_handshake_is_completed_by_the_library_s_own_client() {
        let mut client = Exchange::new(PeerType::Client);
        let mut server = Handshake::new();
        let first = client.generate_outbound_p0_and_p1().unwrap();
        let mut output = Vec::new();
        assert_eq!(server.receive(&mut &first[..], &mut output), Ok(false));
        assert_ne!(output[VERSION_AND_PACKET_LENGTH..], first[1..], "signed, not echoed");
        let Ok(HandshakeProcessResult::Completed { response_bytes, .. }) = client.process_bytes(&output) else {
            panic!("the client did not accept our packets");
        };
        assert_eq!(server.receive(&mut &response_bytes[..], &mut output), Ok(true));
    }

    #[test]
    fn a_client_that_signs_and_requests_rtmpe_gets_a_simple_handshake() {
        let mut exchange = Exchange::new(PeerType::Client);
        let mut client = exchange.generate_outbound_p0_and_p1().unwrap();
        client[0] = 6;
        let mut output = Vec::new();
        let done = Handshake::new().receive(&mut &client[..], &mut output);
        assert_eq!(done, Ok(false));
        assert_eq!(output[0], 3);
        assert_eq!(output[5..9], [0; 4]);
        assert_eq!(output[VERSION_AND_PACKET_LENGTH..], client[1..]);
    }

    #[test]
    fn any_other_version_is_rejected_without_an_answer() {
        for version in (0..=255).filter(|version| ![3, 6].contains(version)) {
            let mut output = Vec::new();
            let result = Handshake::new().receive(&mut &[version][..], &mut output);
            assert_eq!(result, Err(Error));
            assert!(output.is_empty());
        }
    }

    #[test]
    fn bytes_after_the_handshake_are_left_in_the_input() {
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
    fn nothing_is_sent_before_the_first_packet_is_complete() {
        let mut output = Vec::new();
        let mut handshake = Handshake::new();
        assert_eq!(handshake.receive(&mut &[][..], &mut output), Ok(false));
        let begun = &simple(3)[..VERSION_AND_PACKET_LENGTH - 1];
        let done = handshake.receive(&mut &begun[..], &mut output);
        assert_eq!(done, Ok(false));
        assert!(output.is_empty());
    }

    #[test]
    fn a_handshake_may_arrive_byte_by_byte() {
        let client = simple(3);
        let mut handshake = Handshake::new();
        let mut output = Vec::new();
        for (index, byte) in client.iter().enumerate() {
            let done = handshake.receive(&mut std::slice::from_ref(byte), &mut output);
            assert_eq!(done, Ok(index + 1 == HANDSHAKE_LENGTH));
        }
        assert_eq!(output[VERSION_AND_PACKET_LENGTH..], client[1..VERSION_AND_PACKET_LENGTH]);
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
