//! The balancer's session with an edge on behalf of a client, until client and edge can be relayed.
//!
//! The session begins with a simple handshake (section 5.2). Every media server accepts that, including those that
//! verify the signed packets of Flash players, because they have to serve other clients too. The bytes that the client
//! has sent follow.

use super::handshake::{HANDSHAKE_LENGTH, SIMPLE_PACKET, VERSION_AND_PACKET_LENGTH, VERSION_PLAIN};
use super::limits::Limits;
use super::response_filter::{self, ResponseFilter};
use super::transcript::Transcript;

/// Why an edge cannot take over a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The edge's first byte is not the version of plain RTMP.
    #[error("edge does not speak RTMP")]
    NotRtmp,

    /// The edge does not respond as the balancer did.
    #[error(transparent)]
    Response(#[from] response_filter::Error),
}

impl Error {
    /// The `reason` label in metrics, as [`super::session::Error::reason`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotRtmp => "edge-not-rtmp",
            Self::Response(response_filter::Error::Rejected) => "edge-refused",
            Self::Response(response_filter::Error::StreamIdMismatch) => "edge-stream-id-mismatch",
            Self::Response(response_filter::Error::Chunk(_) | response_filter::Error::SmallChunks) => "edge-bad-chunk",
            Self::Response(response_filter::Error::TooManyBytes { .. }) => "edge-too-many-bytes",
        }
    }
}

/// The client's side of a session with an edge, as a function of the bytes that the edge sends.
#[derive(Debug)]
pub struct EdgeSession {
    /// The client's bytes, until they are sent.
    replay: Vec<u8>,
    filter: ResponseFilter,
    /// The edge's first packet (S1), until it is returned.
    packet: Vec<u8>,
    /// The number of bytes received of the edge's handshake.
    received: usize,
}

impl EdgeSession {
    /// Starts the handshake: appends the version and the first packet (C0 and C1) to `output`.
    pub fn new(transcript: Transcript, limits: Limits, output: &mut Vec<u8>) -> Self {
        output.extend_from_slice(&SIMPLE_PACKET);
        let filter = ResponseFilter::new(transcript.answered, limits);
        Self { replay: transcript.received, filter, packet: Vec::new(), received: 0 }
    }

    /// Takes the next bytes from the edge and appends the bytes to send to it to `output`. Returns whether client and
    /// edge can be relayed from now on.
    ///
    /// # Errors
    ///
    /// [`Error`] is final. No byte from this edge has reached the client.
    pub fn receive(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Result<bool, Error> {
        if self.received < HANDSHAKE_LENGTH {
            self.continue_handshake(&mut input, output)?;
            if self.received < HANDSHAKE_LENGTH {
                return Ok(false);
            }
            output.append(&mut self.replay);
        }
        Ok(self.filter.receive(input)?)
    }

    /// Returns whether the handshake is complete.
    pub fn is_handshake_complete(&self) -> bool {
        self.received == HANDSHAKE_LENGTH
    }

    /// Returns the bytes from the edge to send to the client.
    pub fn into_bytes(self) -> Vec<u8> {
        self.filter.into_bytes()
    }

    /// Sends the edge's first packet back as soon as it is complete (C2 is S1). The client's bytes have to wait for the
    /// edge's second packet, S2 (section 5.2.1).
    fn continue_handshake(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        if self.received == 0 {
            let version = self.take(input, 1);
            if !matches!(version.first(), None | Some(&VERSION_PLAIN)) {
                return Err(Error::NotRtmp);
            }
        }
        if self.received < VERSION_AND_PACKET_LENGTH {
            let part = self.take(input, VERSION_AND_PACKET_LENGTH);
            self.packet.extend_from_slice(part);
            if self.received == VERSION_AND_PACKET_LENGTH {
                output.append(&mut self.packet);
            }
        }
        self.take(input, HANDSHAKE_LENGTH);
        Ok(())
    }

    /// Takes bytes off the front of `input` until `end` bytes have been received.
    fn take<'a>(&mut self, input: &mut &'a [u8], end: usize) -> &'a [u8] {
        let (part, rest) = input.split_at(input.len().min(end.saturating_sub(self.received)));
        *input = rest;
        self.received += part.len();
        part
    }
}

#[cfg(test)]
mod tests {
    use super::super::handshake::{Handshake, PACKET_LENGTH};
    use super::super::transcript::AnsweredTransactions;
    use super::*;

    /// The handshake with which an edge responds to `bytes`, and the bytes that follow the client's handshake.
    fn edge_receives(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut output = Vec::new();
        let mut input = bytes;
        let mut edge = Handshake::new();
        let done = edge.receive(&mut input, &mut output).unwrap();
        (output, if done { input.to_vec() } else { Vec::new() })
    }

    fn transcript(received: &[u8]) -> Transcript {
        Transcript { received: received.to_vec(), answered: AnsweredTransactions::default() }
    }

    #[test]
    fn an_edge_receives_a_handshake_and_then_the_client_s_bytes() {
        let mut sent = Vec::new();
        let mut session = EdgeSession::new(transcript(b"chunks"), Limits::default(), &mut sent);
        let (answer, rest) = edge_receives(&sent);
        assert_eq!((answer.len(), rest.len()), (HANDSHAKE_LENGTH, 0));
        let from_edge = [&answer[..], b"more"].concat();
        assert_eq!(session.receive(&from_edge, &mut sent), Ok(true));
        let first_packet = &answer[1..VERSION_AND_PACKET_LENGTH];
        assert_eq!(sent[VERSION_AND_PACKET_LENGTH..HANDSHAKE_LENGTH], *first_packet, "the edge's own packet");
        assert_eq!(edge_receives(&sent).1, b"chunks");
        assert_eq!(session.into_bytes(), b"more", "for the client");
    }

    #[test]
    fn fragments_do_not_matter_and_nothing_is_sent_early() {
        let mut sent = Vec::new();
        let mut session = EdgeSession::new(transcript(b"chunks"), Limits::default(), &mut sent);
        let (answer, _) = edge_receives(&sent);
        for (index, byte) in answer.iter().enumerate() {
            let done = session.receive(&[*byte], &mut sent).unwrap();
            assert_eq!(done, index + 1 == HANDSHAKE_LENGTH);
            let expected = match index + 1 {
                HANDSHAKE_LENGTH => HANDSHAKE_LENGTH + 6,
                VERSION_AND_PACKET_LENGTH.. => VERSION_AND_PACKET_LENGTH + PACKET_LENGTH,
                _ => VERSION_AND_PACKET_LENGTH,
            };
            assert_eq!(sent.len(), expected);
        }
    }

    #[test]
    fn another_protocol_is_recognised_by_its_first_byte() {
        for first in [0, 6, b'H', 255] {
            let mut session = EdgeSession::new(Transcript::default(), Limits::default(), &mut Vec::new());
            assert_eq!(session.receive(&[], &mut Vec::new()), Ok(false));
            assert_eq!(session.receive(&[first], &mut Vec::new()), Err(Error::NotRtmp));
        }
    }
}
