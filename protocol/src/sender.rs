//! The agent's end: seals reports for one balancer.

use crate::codec::{self, TooLong};
use crate::datagram::{self, HEADER_LENGTH, Header, MAX_BODY_LENGTH, MAX_LENGTH};
use crate::edge_id::EdgeId;
use crate::key::{EdgeKey, SALT_LENGTH, SessionKeys};
use crate::report::Report;

/// Seals the reports of one edge for one target.
///
/// Each target has a sender of its own with a salt of its own: two different bodies are then never sealed with the same
/// key and counter, whatever is sent to whom.
#[derive(Debug)]
pub struct Sender {
    /// Fixed from start to stop, but for the counter: the last one used.
    header: Header,
    keys: SessionKeys,
    buffer: Box<[u8; MAX_LENGTH]>,
}

impl Sender {
    /// A sender that has just started; `salt` is 16 bytes of a cryptographic random source.
    #[must_use]
    pub fn new(key: &EdgeKey, edge: EdgeId, salt: [u8; SALT_LENGTH]) -> Self {
        Self {
            header: Header { key_id: key.id(), edge, salt, counter: 0 },
            keys: key.report_keys(&salt),
            buffer: Box::new([0; MAX_LENGTH]),
        }
    }

    /// The next datagram.
    ///
    /// # Errors
    /// [`TooLong`] when the report does not fit; no counter is used up.
    pub fn seal(&mut self, report: &Report<'_>) -> Result<&[u8], TooLong> {
        let body = &mut self.buffer[HEADER_LENGTH..HEADER_LENGTH + MAX_BODY_LENGTH];
        let body_length = codec::encode(report, body)?;
        // 2^64 datagrams at four a second outlast the hardware.
        self.header.counter += 1;
        let length = datagram::seal(&self.header, &self.keys, body_length, &mut self.buffer);
        Ok(&self.buffer[..length])
    }
}
