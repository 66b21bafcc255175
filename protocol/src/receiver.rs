//! The balancer's end: opens and checks reports, and seals acks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use crate::ack::{Ack, Command};
use crate::arrival::Arrival;
use crate::codec;
use crate::datagram::{self, HEADER_LENGTH, Header, Kind, MAX_LENGTH, OVERHEAD};
use crate::edge_id::EdgeId;
use crate::key::{KeyId, KeyRing, SALT_LENGTH};
use crate::name::Name;
use crate::rate::SaltLimiter;
use crate::rejection::Rejection;
use crate::report::Report;
use crate::session::{KnownSender, Session};

pub use crate::rate::SaltLimits;

/// Limits of a [`Receiver`].
///
/// ```
/// use std::time::Duration;
///
/// use weir_protocol::receiver::Limits;
///
/// let mut limits = Limits::default();
/// assert_eq!(limits.max_clock_skew, Some(Duration::from_secs(60)));
/// limits.max_edges = 1_000_000;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum difference between the clocks of balancer and edge at first contact; `None` for any. Default: 60 s. A
    /// larger value lets older recordings be replayed to a balancer that has just started.
    pub max_clock_skew: Option<Duration>,
    /// Maximum number of edges that are remembered. Default: 100000. Only holders of a key can use it up.
    pub max_edges: usize,
    /// Limits on datagrams with unknown salts. Default: 100 per second from one source, 20000 from all.
    pub salts: SaltLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_clock_skew: Some(Duration::from_secs(60)), max_edges: 100_000, salts: SaltLimits::default() }
    }
}

/// A report that passed every check.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted<'d> {
    /// The edge that sent it.
    pub edge: EdgeId,
    /// The secret from which the edge's key is derived.
    pub key_id: KeyId,
    /// Its contents.
    pub report: Report<'d>,
    /// Whether it is the first one accepted since the sender started.
    pub booted: bool,
    /// The address of another sender with the same GUID, if one is active.
    pub duplicate: Option<SocketAddr>,
}

/// Opens and checks the reports of a fleet, and seals the acks.
///
/// For each edge it keeps the keys and the counter with which it detects replays. It has neither a socket nor a clock.
///
/// ```
/// use std::time::Duration;
///
/// use weir_protocol::receiver::Limits;
/// use weir_protocol::{Arrival, EdgeId, Receiver, Rejection, Report, Secret, Sender};
///
/// let secret = Secret::from_random([1; 32]);
/// let edge = EdgeId::from_random([2; 16]);
/// let mut sender = Sender::new(secret.edge_key(edge), edge, [3; 16]);
/// let mut receiver = Receiver::new([secret].into_iter().collect(), Limits::default(), [4; 16]);
///
/// let now = 1_790_000_000_000;
/// let source = "192.0.2.7:40000".parse()?;
/// let arrival = Arrival { source, monotonic: Duration::from_secs(10), unix: now };
/// let report = Report::new(now, now, Duration::from_millis(2500));
///
/// // The first report of a new edge only announces it. It might be a replay, but not with two growing counters.
/// let mut first = sender.seal(&report)?.to_vec();
/// let mut replay = first.clone();
/// assert_eq!(receiver.open(&mut first, &arrival).unwrap_err(), Rejection::Unconfirmed);
/// assert_eq!(receiver.open(&mut replay, &arrival).unwrap_err(), Rejection::Counter);
///
/// let mut second = sender.seal(&report)?.to_vec();
/// let accepted = receiver.open(&mut second, &arrival)?;
/// assert_eq!((accepted.edge, accepted.report), (edge, report));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    ring: KeyRing,
    limits: Limits,
    /// Boxed, since they are large and up to half of the slots of a table are empty.
    sessions: HashMap<EdgeId, Box<Session>>,
    /// The edges that have reported only once, and when to forget them, the earliest first.
    announced: BinaryHeap<Reverse<(Duration, EdgeId)>>,
    salts: SaltLimiter,
    /// The balancer's own boot salt, for its acks.
    ack_salt: [u8; SALT_LENGTH],
    /// The counter of the last ack.
    ack_counter: u64,
}

/// An edge that has reported once is remembered for this many of its intervals: enough for one lost report.
const ANNOUNCED_INTERVALS: u32 = 3;

impl Receiver {
    /// A receiver without any edges. `ack_salt` is 16 bytes of a cryptographic random source, new at each start.
    #[must_use]
    pub fn new(ring: KeyRing, limits: Limits, ack_salt: [u8; SALT_LENGTH]) -> Self {
        let salts = SaltLimiter::new(limits.salts);
        Self { ring, limits, sessions: HashMap::new(), announced: BinaryHeap::new(), salts, ack_salt, ack_counter: 0 }
    }

    /// Replaces the secrets. Reports under a secret that is not among the new ones are rejected from now on.
    pub fn set_keys(&mut self, ring: KeyRing) {
        self.ring = ring;
    }

    /// Opens one datagram in place.
    ///
    /// # Errors
    /// The first check that failed. A datagram that is not authentic leaves no trace.
    pub fn open<'d>(&mut self, datagram: &'d mut [u8], arrival: &Arrival) -> Result<Accepted<'d>, Rejection> {
        let header = Header::parse(datagram, Kind::Report)?;
        let secret = self.ring.find(header.key_id).ok_or(Rejection::KeyId)?;
        let derive = |salts: &mut SaltLimiter| {
            if !salts.take(arrival.source.ip(), arrival.monotonic) {
                return Err(Rejection::Rate);
            }
            let key = secret.edge_key(header.edge);
            Ok((KnownSender::new(&header, key.report_keys(&header.salt), arrival), key))
        };
        let Some(session) = self.sessions.get_mut(&header.edge) else {
            let (mut sender, key) = derive(&mut self.salts)?;
            let report = sender.open(&header, datagram, arrival)?;
            self.forget_announced(arrival.monotonic);
            self.limits.admit(&report, arrival.unix, self.sessions.len())?;
            let session = Session::new(sender, key.ack_keys(&self.ack_salt), &report);
            self.sessions.insert(header.edge, Box::new(session));
            self.announced.push(Reverse((arrival.monotonic + report.interval * ANNOUNCED_INTERVALS, header.edge)));
            return Err(Rejection::Unconfirmed);
        };
        if session.sender.matches(&header) {
            let report = session.sender.open(&header, datagram, arrival)?;
            let booted = !session.confirmed;
            session.update(&report);
            return Ok(Accepted {
                edge: header.edge,
                key_id: header.key_id,
                report,
                booted,
                duplicate: session.duplicate(arrival.monotonic),
            });
        }

        let mut challenger = match session.challenger.take_if(|challenger| challenger.matches(&header)) {
            Some(known) => known,
            None => Box::new(derive(&mut self.salts)?.0),
        };
        let report = match challenger.open(&header, datagram, arrival) {
            Ok(report) => report,
            Err(rejection) => {
                // A forged datagram must not make a known challenger unknown.
                if challenger.counter > 0 {
                    session.challenger = Some(challenger);
                }
                return Err(rejection);
            }
        };
        let is_later = challenger.boot_time > session.sender.boot_time;
        if is_later && !session.is_active(arrival.monotonic) {
            let was_confirmed = session.confirmed;
            // No report has been accepted under this edge id yet, so this is first contact, too.
            if !was_confirmed && self.limits.is_skewed(&report, arrival.unix) {
                return Err(Rejection::Skew);
            }
            let ack_keys = secret.edge_key(header.edge).ack_keys(&self.ack_salt);
            **session = Session::new(*challenger, ack_keys, &report);
            session.confirmed = was_confirmed;
            if !was_confirmed {
                return Err(Rejection::Unconfirmed);
            }
            return Ok(Accepted { edge: header.edge, key_id: header.key_id, report, booted: true, duplicate: None });
        }
        if !is_later && self.limits.is_skewed(&report, arrival.unix) {
            return Err(Rejection::Boot);
        }
        session.challenger = Some(challenger);
        Err(Rejection::Duplicate)
    }

    /// Seals the ack of the last accepted report of `edge`, whose datagram had `report_length` bytes.
    ///
    /// The ack is never longer than the report. After a report that is too short because it is not padded, the name is
    /// left out, and if that does not suffice the command, too. Returns `None` if even the rest does not fit, or if the
    /// edge is unknown.
    pub fn acknowledge<'o>(
        &mut self,
        edge: EdgeId,
        balancer: Option<Name<'_>>,
        command: Option<Command>,
        report_length: usize,
        output: &'o mut [u8; MAX_LENGTH],
    ) -> Option<&'o [u8]> {
        let session = self.sessions.get(&edge)?;
        let room = report_length.min(MAX_LENGTH).checked_sub(OVERHEAD)?;
        let (counter, salt) = (session.sender.counter, session.sender.salt);
        let body_length =
            [(balancer, command), (None, command), (None, None)].into_iter().find_map(|(name, command)| {
                let ack = Ack { counter, salt, balancer: name, command };
                codec::encode_ack(&ack, &mut output[HEADER_LENGTH..HEADER_LENGTH + room]).ok()
            })?;
        self.ack_counter += 1;
        let header = Header {
            kind: Kind::Ack,
            key_id: session.sender.key_id,
            edge,
            salt: self.ack_salt,
            counter: self.ack_counter,
        };
        let length = datagram::seal(&header, &session.ack_keys, body_length, output);
        Some(&output[..length])
    }

    /// Forgets edges whose first report was not confirmed: they must not keep others out.
    fn forget_announced(&mut self, now: Duration) {
        while let Some(Reverse((due, edge))) = self.announced.peek().copied() {
            if due > now {
                return;
            }
            self.announced.pop();
            let Some(session) = self.sessions.get(&edge).filter(|session| !session.confirmed) else { continue };
            // Another sender with this id may have announced itself since.
            let due = session.sender.last_seen + session.interval * ANNOUNCED_INTERVALS;
            if due > now {
                self.announced.push(Reverse((due, edge)));
            } else {
                self.sessions.remove(&edge);
            }
        }
    }

    /// Forgets an edge that has left, and frees its memory.
    ///
    /// Call this no earlier than [`Limits::max_clock_skew`] after its last report, which could be replayed otherwise.
    pub fn forget(&mut self, edge: EdgeId) {
        self.sessions.remove(&edge);
    }
}

impl Limits {
    /// Checks whether a new edge may join.
    fn admit(&self, report: &Report<'_>, now: u64, edges: usize) -> Result<(), Rejection> {
        if self.is_skewed(report, now) {
            return Err(Rejection::Skew);
        }
        if edges >= self.max_edges { Err(Rejection::Edges) } else { Ok(()) }
    }

    fn is_skewed(&self, report: &Report<'_>, now: u64) -> bool {
        let skew = Duration::from_millis(now.abs_diff(report.send_time));
        self.max_clock_skew.is_some_and(|most| skew > most)
    }
}

#[cfg(test)]
mod tests;
