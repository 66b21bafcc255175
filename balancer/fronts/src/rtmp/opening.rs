//! The first words with an edge: the handshake as its client, and everything that our client has said so far.
//!
//! The handshake is the simple one (RTMP 1.0, section 5.2): every media server takes it, and so do those that verify
//! signed packets of Flash players, since they must serve everything else too.

use super::Limits;
use super::answered::{self, Answered, Answers};
use super::handshake::{FIRST_LENGTH, HANDSHAKE_LENGTH, SIMPLE, VERSION_PLAIN};

/// What an edge is to be told of a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// All that the client has sent since its handshake.
    pub said: Vec<u8>,
    /// What it was answered already.
    pub answered: Answered,
}

/// Why an edge cannot take a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The edge's first byte is not that of a handshake of plain RTMP.
    #[error("the edge does not speak RTMP")]
    NotRtmp,

    /// The edge does not answer as the client was answered.
    #[error(transparent)]
    Answered(#[from] answered::Error),
}

impl Error {
    /// A label for metrics, as [`super::session::Error::reason`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotRtmp => "edge-not-rtmp",
            Self::Answered(answered::Error::Refused) => "edge-refused",
            Self::Answered(answered::Error::OtherStream) => "edge-other-stream",
            Self::Answered(answered::Error::Chunk(_) | answered::Error::SmallChunks) => "edge-bad-chunk",
            Self::Answered(answered::Error::TooManyBytes { .. }) => "edge-too-many-bytes",
        }
    }
}

/// Our side of it, fed with what the edge sends.
#[derive(Debug)]
pub struct Opening {
    said: Vec<u8>,
    answers: Answers,
    /// The edge's first packet, until it is sent back.
    packet: Vec<u8>,
    /// Bytes of the edge's handshake received so far.
    received: usize,
}

impl Opening {
    /// Begins: appends the version and first packet to `output`.
    pub fn new(story: Story, limits: Limits, output: &mut Vec<u8>) -> Self {
        output.extend_from_slice(&SIMPLE);
        let answers = Answers::new(story.answered, limits);
        Self { said: story.said, answers, packet: Vec::new(), received: 0 }
    }

    /// Takes in what the edge has sent next, appends what is to be sent to it, and says whether the client and the edge
    /// can go on by themselves.
    ///
    /// # Errors
    ///
    /// [`Error`] is the end: this edge is no good, and the client has not heard of it.
    pub fn receive(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Result<bool, Error> {
        if self.received < HANDSHAKE_LENGTH {
            self.shake_hands(&mut input, output)?;
            if self.received < HANDSHAKE_LENGTH {
                return Ok(false);
            }
            output.append(&mut self.said);
        }
        Ok(self.answers.receive(input)?)
    }

    /// Whether the edge's part of the handshake is complete.
    pub fn has_shaken_hands(&self) -> bool {
        self.received == HANDSHAKE_LENGTH
    }

    /// What the client is to be sent first of what came from the edge.
    pub fn into_bytes(self) -> Vec<u8> {
        self.answers.into_bytes()
    }

    /// Our last packet is the edge's first, as soon as that is whole; what follows it has to wait for the edge's last
    /// (section 5.2.1).
    fn shake_hands(&mut self, input: &mut &[u8], output: &mut Vec<u8>) -> Result<(), Error> {
        if self.received == 0 {
            let version = self.take(input, 1);
            if !matches!(version.first(), None | Some(&VERSION_PLAIN)) {
                return Err(Error::NotRtmp);
            }
        }
        if self.received < FIRST_LENGTH {
            let part = self.take(input, FIRST_LENGTH);
            self.packet.extend_from_slice(part);
            if self.received == FIRST_LENGTH {
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
    use super::*;

    /// What an edge does with what it is sent: its handshake, and all that comes after it.
    fn edge_receives(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut output = Vec::new();
        let mut input = bytes;
        let mut edge = Handshake::new();
        let done = edge.receive(&mut input, &mut output).unwrap();
        (output, if done { input.to_vec() } else { Vec::new() })
    }

    fn story(said: &[u8]) -> Story {
        Story { said: said.to_vec(), answered: Answered::default() }
    }

    #[test]
    fn an_edge_gets_a_handshake_and_then_all_that_the_client_said() {
        let mut sent = Vec::new();
        let mut opening = Opening::new(story(b"chunks"), Limits::default(), &mut sent);
        let (answer, rest) = edge_receives(&sent);
        assert_eq!((answer.len(), rest.len()), (HANDSHAKE_LENGTH, 0));
        let came = [&answer[..], b"more"].concat();
        assert_eq!(opening.receive(&came, &mut sent), Ok(true));
        assert_eq!(sent[FIRST_LENGTH..HANDSHAKE_LENGTH], answer[1..FIRST_LENGTH], "the edge's own packet");
        assert_eq!(edge_receives(&sent).1, b"chunks");
        assert_eq!(opening.into_bytes(), b"more", "for the client");
    }

    #[test]
    fn any_pieces_are_as_good_as_one_and_nothing_is_said_too_early() {
        let mut sent = Vec::new();
        let mut opening = Opening::new(story(b"chunks"), Limits::default(), &mut sent);
        let (answer, _) = edge_receives(&sent);
        for (index, byte) in answer.iter().enumerate() {
            let done = opening.receive(&[*byte], &mut sent).unwrap();
            assert_eq!(done, index + 1 == HANDSHAKE_LENGTH);
            let expected = match index + 1 {
                HANDSHAKE_LENGTH => HANDSHAKE_LENGTH + 6,
                FIRST_LENGTH.. => FIRST_LENGTH + PACKET_LENGTH,
                _ => FIRST_LENGTH,
            };
            assert_eq!(sent.len(), expected);
        }
    }

    #[test]
    fn what_is_not_rtmp_is_known_by_its_first_byte() {
        for first in [0, 6, b'H', 255] {
            let mut opening = Opening::new(Story::default(), Limits::default(), &mut Vec::new());
            assert_eq!(opening.receive(&[], &mut Vec::new()), Ok(false));
            assert_eq!(opening.receive(&[first], &mut Vec::new()), Err(Error::NotRtmp));
        }
    }
}
