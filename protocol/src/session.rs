//! What a balancer remembers of one edge: who reports for it, and who else does.

use std::net::SocketAddr;
use std::time::Duration;

use crate::codec;
use crate::datagram::{self, Header};
use crate::key::{KeyId, SALT_LENGTH, SessionKeys};
use crate::receiver::Arrival;
use crate::rejection::Rejection;
use crate::report::{Report, Status};

/// What is remembered of one edge.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) sender: KnownSender,
    pub(crate) ack_keys: SessionKeys,
    /// Whether a second report has confirmed the first.
    pub(crate) confirmed: bool,
    /// The interval that the last report announced.
    pub(crate) interval: Duration,
    /// Whether the last report said that the sender stops.
    stopped: bool,
    /// Another sender with the same GUID. Seldom there, so it takes no space otherwise.
    pub(crate) challenger: Option<Box<KnownSender>>,
}

/// One start of one agent.
#[derive(Debug)]
pub(crate) struct KnownSender {
    pub(crate) key_id: KeyId,
    pub(crate) salt: [u8; SALT_LENGTH],
    pub(crate) keys: SessionKeys,
    /// The highest counter seen under this salt.
    pub(crate) counter: u64,
    /// When it started, by its own clock.
    pub(crate) boot_time: u64,
    /// When and where it was last heard.
    pub(crate) heard_at: Duration,
    source: SocketAddr,
}

/// A sender counts as alive for this many of its intervals: its next report is due after one, and a quarter is for the
/// network.
const ALIVE_INTERVALS: f64 = 1.25;

/// Another sender with the same GUID is shown for this many intervals after it was last heard.
const DUPLICATE_INTERVALS: u32 = 3;

impl Session {
    pub(crate) fn new(sender: KnownSender, ack_keys: SessionKeys, report: &Report<'_>) -> Self {
        let mut session =
            Self { sender, ack_keys, confirmed: false, interval: Duration::ZERO, stopped: false, challenger: None };
        session.take_in(report);
        session.confirmed = false;
        session
    }

    pub(crate) fn take_in(&mut self, report: &Report<'_>) {
        self.confirmed = true;
        self.interval = report.interval;
        self.stopped = report.status == Status::Stopping;
    }

    /// Whether the sender may still be running.
    pub(crate) fn is_alive(&self, now: Duration) -> bool {
        let silent = now.saturating_sub(self.sender.heard_at);
        !self.stopped && self.confirmed && silent <= self.interval.mul_f64(ALIVE_INTERVALS)
    }

    /// Where another sender is that was heard lately.
    pub(crate) fn duplicate(&self, now: Duration) -> Option<SocketAddr> {
        let challenger = self.challenger.as_deref()?;
        let silent = now.saturating_sub(challenger.heard_at);
        (silent <= self.interval * DUPLICATE_INTERVALS).then_some(challenger.source)
    }
}

impl KnownSender {
    pub(crate) fn new(header: &Header, keys: SessionKeys, arrival: &Arrival) -> Self {
        Self {
            key_id: header.key_id,
            salt: header.salt,
            keys,
            counter: 0,
            boot_time: 0,
            heard_at: arrival.monotonic,
            source: arrival.source,
        }
    }

    pub(crate) fn is_of(&self, header: &Header) -> bool {
        self.salt == header.salt && self.key_id == header.key_id
    }

    /// Opens a datagram of this sender, and remembers that it was heard.
    pub(crate) fn open<'d>(
        &mut self,
        header: &Header,
        datagram: &'d mut [u8],
        arrival: &Arrival,
    ) -> Result<Report<'d>, Rejection> {
        if !datagram::verify(&self.keys, datagram) {
            return Err(Rejection::Signature);
        }
        if header.counter <= self.counter {
            return Err(Rejection::Counter);
        }
        let body = datagram::decrypt(&self.keys, header.counter, datagram).ok_or(Rejection::Decryption)?;
        let report = codec::decode(body).map_err(|_| Rejection::Body)?;
        self.counter = header.counter;
        self.boot_time = report.boot_time;
        self.heard_at = arrival.monotonic;
        self.source = arrival.source;
        Ok(report)
    }
}
