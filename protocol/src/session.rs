//! The state that a balancer keeps for one edge: the sender whose reports are accepted, and any other with the same
//! GUID.

use std::net::SocketAddr;
use std::time::Duration;

use crate::arrival::Arrival;
use crate::codec;
use crate::datagram::{self, Header};
use crate::key::{KeyId, SALT_LENGTH, SessionKeys};
use crate::rejection::Rejection;
use crate::report::{Report, Status};

/// A sender counts as active for this many of its intervals after its last report: the next one is due after one
/// interval, and a quarter is for the network.
const ACTIVE_INTERVALS: f64 = 1.25;

/// A duplicate is reported for this many intervals after its last datagram.
const DUPLICATE_INTERVALS: u32 = 3;

/// The state of one edge.
#[derive(Debug)]
pub(crate) struct Session {
    /// The sender whose reports are accepted.
    pub(crate) sender: KnownSender,
    /// For acks to the edge.
    pub(crate) ack_keys: SessionKeys,
    /// Whether a second report has confirmed the first.
    pub(crate) confirmed: bool,
    /// The interval in the last report.
    pub(crate) interval: Duration,
    /// Whether the last report had the status stopping.
    stopped: bool,
    /// Another sender with the same GUID. Rare, therefore boxed.
    pub(crate) challenger: Option<Box<KnownSender>>,
}

impl Session {
    /// A session of which `report` is the first report.
    pub(crate) fn new(sender: KnownSender, ack_keys: SessionKeys, report: &Report<'_>) -> Self {
        let mut session =
            Self { sender, ack_keys, confirmed: false, interval: Duration::ZERO, stopped: false, challenger: None };
        session.update(report);
        session.confirmed = false;
        session
    }

    /// Records an accepted report.
    pub(crate) fn update(&mut self, report: &Report<'_>) {
        self.confirmed = true;
        self.interval = report.interval;
        self.stopped = report.status == Status::Stopping;
    }

    /// Returns whether the sender may still be running.
    pub(crate) fn is_active(&self, now: Duration) -> bool {
        let silent = now.saturating_sub(self.sender.last_seen);
        !self.stopped && self.confirmed && silent <= self.interval.mul_f64(ACTIVE_INTERVALS)
    }

    /// The address of another sender with the same GUID, if one was seen recently.
    pub(crate) fn duplicate(&self, now: Duration) -> Option<SocketAddr> {
        let challenger = self.challenger.as_deref()?;
        let silent = now.saturating_sub(challenger.last_seen);
        (silent <= self.interval * DUPLICATE_INTERVALS).then_some(challenger.source)
    }
}

/// An agent between one start and the next.
#[derive(Debug)]
pub(crate) struct KnownSender {
    pub(crate) key_id: KeyId,
    pub(crate) salt: [u8; SALT_LENGTH],
    pub(crate) keys: SessionKeys,
    /// The highest counter of an authentic report with this salt.
    pub(crate) counter: u64,
    /// The time at which the agent started, by its own clock.
    pub(crate) boot_time: u64,
    /// The time of arrival of its last authentic report.
    pub(crate) last_seen: Duration,
    source: SocketAddr,
}

impl KnownSender {
    pub(crate) fn new(header: &Header, keys: SessionKeys, arrival: &Arrival) -> Self {
        Self {
            key_id: header.key_id,
            salt: header.salt,
            keys,
            counter: 0,
            boot_time: 0,
            last_seen: arrival.monotonic,
            source: arrival.source,
        }
    }

    /// Returns whether a datagram with this header claims to be from this sender.
    pub(crate) fn matches(&self, header: &Header) -> bool {
        self.salt == header.salt && self.key_id == header.key_id
    }

    /// Opens a datagram of this sender, and updates its counter, boot time and address.
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
        let report = codec::decode_report(body).map_err(|_| Rejection::Body)?;
        self.counter = header.counter;
        self.boot_time = report.boot_time;
        self.last_seen = arrival.monotonic;
        self.source = arrival.source;
        Ok(report)
    }
}
