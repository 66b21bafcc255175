//! The agent's end: seals reports for one balancer, and opens that balancer's acks.

use crate::ack::Ack;
use crate::codec::{self, TooLong};
use crate::datagram::{self, HEADER_LENGTH, Header, Kind, MAX_BODY_LENGTH, MAX_LENGTH};
use crate::edge_id::EdgeId;
use crate::key::{EdgeKey, SALT_LENGTH, SessionKeys};
use crate::rejection::Rejection;
use crate::report::Report;

/// Seals the reports of one edge for one balancer.
///
/// Each balancer needs a sender of its own, with a salt of its own: two different bodies are then never sealed with the
/// same key and counter, whichever report goes to which balancer.
///
/// ```
/// use std::time::Duration;
///
/// use weir_protocol::{EdgeId, Report, Secret, Sender};
///
/// let edge: EdgeId = "0f8fad5b-d9cb-469f-a165-70867728950e".parse()?;
/// let key = Secret::from_random([1; 32]).edge_key(edge);
/// // In production: 16 bytes of a cryptographic random source, new at each start.
/// let mut sender = Sender::new(key, edge, [2; 16]);
///
/// let report = Report::new(1_790_000_000_000, 1_790_000_002_500, Duration::from_millis(2500));
/// let first = sender.seal(&report)?.to_vec();
/// let second = sender.seal(&report)?;
/// assert_ne!(first, second, "each datagram has a counter of its own");
/// assert_eq!(sender.last_counter(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sender {
    key: EdgeKey,
    /// Constant but for the counter, which is that of the last datagram.
    header: Header,
    keys: SessionKeys,
    buffer: Box<[u8; MAX_LENGTH]>,
    /// The keys of the balancer's acks, and the balancer's boot salt from which they are derived.
    ack_keys: Option<([u8; SALT_LENGTH], SessionKeys)>,
    /// The counter of the last report that was acknowledged.
    acknowledged: u64,
}

impl Sender {
    /// A sender that has just started. `salt` is 16 bytes of a cryptographic random source, new at each start.
    #[must_use]
    pub fn new(key: EdgeKey, edge: EdgeId, salt: [u8; SALT_LENGTH]) -> Self {
        Self {
            header: Header { kind: Kind::Report, key_id: key.id(), edge, salt, counter: 0 },
            keys: key.report_keys(&salt),
            key,
            buffer: Box::new([0; MAX_LENGTH]),
            ack_keys: None,
            acknowledged: 0,
        }
    }

    /// Seals a report and returns the next datagram.
    ///
    /// A short report is padded to [`MAX_ACK_BODY_LENGTH`](codec::MAX_ACK_BODY_LENGTH), so that every ack fits.
    ///
    /// # Errors
    /// [`TooLong`] if the report does not fit into a datagram. No counter is used up.
    pub fn seal(&mut self, report: &Report<'_>) -> Result<&[u8], TooLong> {
        let body = &mut self.buffer[HEADER_LENGTH..HEADER_LENGTH + MAX_BODY_LENGTH];
        let body_length = codec::encode_report(report, body)?;
        let body_length = codec::pad_report(body, body_length)?;
        // 2^64 datagrams at four a second outlast the hardware.
        self.header.counter += 1;
        let length = datagram::seal(&self.header, &self.keys, body_length, &mut self.buffer);
        Ok(&self.buffer[..length])
    }

    /// The counter of the last datagram, 0 before the first.
    #[must_use]
    pub fn last_counter(&self) -> u64 {
        self.header.counter
    }

    /// Opens an ack in place. Each report can be acknowledged once, and in the order of sending.
    ///
    /// # Errors
    /// The first check that failed; the datagram then leaves no trace. [`Rejection::KeyId`] also if the ack is for
    /// another edge. [`Rejection::Counter`] if it acknowledges no report since the start, or none later than the last
    /// one acknowledged.
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
        let is_new = ack.counter > self.acknowledged && ack.counter <= self.header.counter;
        if ack.salt != self.header.salt || !is_new {
            return Err(Rejection::Counter);
        }
        self.acknowledged = ack.counter;
        self.ack_keys = Some((header.salt, keys));
        Ok(ack)
    }
}
