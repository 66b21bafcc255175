//! The agent's end: seals reports for one balancer, and opens that balancer's acks.

use crate::ack::Ack;
use crate::codec::{self, TooLong};
use crate::datagram::{self, HEADER_LENGTH, Header, Kind, MAX_BODY_LENGTH, MAX_LENGTH};
use crate::edge_id::EdgeId;
use crate::key::{EdgeKey, SALT_LENGTH, SessionKeys};
use crate::rejection::Rejection;
use crate::report::Report;

/// Seals the reports of one edge for one target.
///
/// Each target has a sender of its own with a salt of its own: two different bodies are then never sealed with the same
/// key and counter, whatever is sent to whom.
#[derive(Debug)]
pub struct Sender {
    key: EdgeKey,
    /// Fixed from start to stop, but for the counter: the last one used.
    header: Header,
    keys: SessionKeys,
    buffer: Box<[u8; MAX_LENGTH]>,
    /// The keys of the balancer's acks, under the salt that it has since its last start.
    ack_keys: Option<([u8; SALT_LENGTH], SessionKeys)>,
    /// The counter of the last report that was answered.
    answered: u64,
}

impl Sender {
    /// A sender that has just started; `salt` is 16 bytes of a cryptographic random source.
    #[must_use]
    pub fn new(key: EdgeKey, edge: EdgeId, salt: [u8; SALT_LENGTH]) -> Self {
        Self {
            header: Header { kind: Kind::Report, key_id: key.id(), edge, salt, counter: 0 },
            keys: key.report_keys(&salt),
            key,
            buffer: Box::new([0; MAX_LENGTH]),
            ack_keys: None,
            answered: 0,
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

    /// The counter of the last datagram.
    #[must_use]
    pub fn last_counter(&self) -> u64 {
        self.header.counter
    }

    /// Opens an ack in place. Each report can be answered once, and in the order in which they were sent.
    ///
    /// # Errors
    /// The first check that failed; of such a datagram nothing is remembered. [`Rejection::KeyId`] also when it is for
    /// another edge, [`Rejection::Counter`] when it answers nothing that was sent since the start, or nothing newer than
    /// what was answered before.
    pub fn open_ack<'d>(&mut self, datagram: &'d mut [u8]) -> Result<Ack<'d>, Rejection> {
        let header = Header::parse(datagram, Kind::Ack)?;
        if header.key_id != self.header.key_id || header.edge != self.header.edge {
            return Err(Rejection::KeyId);
        }
        let keys = match &self.ack_keys {
            Some((salt, keys)) if *salt == header.salt => keys.clone(),
            _ => self.key.ack_keys(&header.salt),
        };
        if !datagram::verify(&keys, datagram) {
            return Err(Rejection::Signature);
        }
        let body = datagram::decrypt(&keys, header.counter, datagram).ok_or(Rejection::Decryption)?;
        let ack = codec::decode_ack(body).map_err(|_| Rejection::Body)?;
        let is_new = ack.counter > self.answered && ack.counter <= self.header.counter;
        if ack.salt != self.header.salt || !is_new {
            return Err(Rejection::Counter);
        }
        self.answered = ack.counter;
        self.ack_keys = Some((header.salt, keys));
        Ok(ack)
    }
}
