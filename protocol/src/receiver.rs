//! The balancer's end: which datagram is believed, and why another is rejected.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use crate::ack::{Ack, Command};
use crate::codec;
use crate::datagram::{self, HEADER_LENGTH, Header, Kind, MAX_LENGTH, OVERHEAD};
use crate::edge_id::EdgeId;
use crate::key::{KeyId, KeyRing, SALT_LENGTH};
pub use crate::rate::SaltLimits;
use crate::rate::Salts;
use crate::rejection::Rejection;
use crate::report::Report;
use crate::session::{KnownSender, Session};

/// Limits of a [`Receiver`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How far the clock of an edge may be off at first contact; `None` for any. A wider window lets older recordings
    /// be played back to a balancer that has just started.
    pub max_clock_skew: Option<Duration>,
    /// How many edges may be known at a time. Only holders of a key can use one up.
    pub max_edges: usize,
    /// How many unknown salts are looked at.
    pub salts: SaltLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_clock_skew: Some(Duration::from_secs(60)), max_edges: 100_000, salts: SaltLimits::default() }
    }
}

/// Where and when a datagram arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Who sent it, as far as the network says.
    pub source: SocketAddr,
    /// The time since some fixed moment, on a clock that never goes back.
    pub monotonic: Duration,
    /// Milliseconds since the Unix epoch.
    pub unix: u64,
}

/// A report that passed every check.
#[derive(Debug)]
pub struct Accepted<'d> {
    /// Whose it is.
    pub edge: EdgeId,
    /// Which secret it was sealed under.
    pub key_id: KeyId,
    /// What it says.
    pub report: Report<'d>,
    /// Whether the sender has (re)started since its last report, or was never met.
    pub booted: bool,
    /// Where another sender with the same GUID is, if one is heard as well.
    pub duplicate: Option<SocketAddr>,
}

/// Opens datagrams, remembers of each edge what is needed to refuse a replay, and seals the acks.
#[derive(Debug)]
pub struct Receiver {
    ring: KeyRing,
    limits: Limits,
    /// Each in a box of its own: a table leaves up to half of its places empty, and these are large.
    sessions: HashMap<EdgeId, Box<Session>>,
    /// When edges that have reported once only are forgotten again, the soonest first.
    announced: BinaryHeap<Reverse<(Duration, EdgeId)>>,
    salts: Salts,
    /// The balancer's own boot salt, for its acks.
    ack_salt: [u8; SALT_LENGTH],
    /// The counter of the last ack.
    ack_counter: u64,
}

/// For how many of its intervals an edge that reported once is remembered: long enough for one lost report.
const ANNOUNCED_INTERVALS: u32 = 3;

impl Receiver {
    /// A receiver that has met nobody. `ack_salt` is 16 bytes of a cryptographic random source.
    #[must_use]
    pub fn new(ring: KeyRing, limits: Limits, ack_salt: [u8; SALT_LENGTH]) -> Self {
        let salts = Salts::new(limits.salts);
        Self { ring, limits, sessions: HashMap::new(), announced: BinaryHeap::new(), salts, ack_salt, ack_counter: 0 }
    }

    /// Exchanges the secrets. Edges whose secret is not among the new ones are no longer believed.
    pub fn set_ring(&mut self, ring: KeyRing) {
        self.ring = ring;
    }

    /// Opens one datagram in place.
    ///
    /// # Errors
    /// The first check that failed. Of a datagram that is not authenticated nothing is remembered.
    pub fn open<'d>(&mut self, datagram: &'d mut [u8], arrival: &Arrival) -> Result<Accepted<'d>, Rejection> {
        let header = Header::parse(datagram, Kind::Report)?;
        let secret = self.ring.find(header.key_id).ok_or(Rejection::KeyId)?;
        let derive = |salts: &mut Salts| {
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
        if session.sender.is_of(&header) {
            let report = session.sender.open(&header, datagram, arrival)?;
            let booted = !session.confirmed;
            session.take_in(&report);
            return Ok(Accepted {
                edge: header.edge,
                key_id: header.key_id,
                report,
                booted,
                duplicate: session.duplicate(arrival.monotonic),
            });
        }

        let mut challenger = match session.challenger.take_if(|challenger| challenger.is_of(&header)) {
            Some(known) => known,
            None => Box::new(derive(&mut self.salts)?.0),
        };
        let report = match challenger.open(&header, datagram, arrival) {
            Ok(report) => report,
            Err(rejection) => {
                // A known challenger stays known, whoever sent this in its name.
                if challenger.counter > 0 {
                    session.challenger = Some(challenger);
                }
                return Err(rejection);
            }
        };
        let is_later = challenger.boot_time > session.sender.boot_time;
        if is_later && !session.is_alive(arrival.monotonic) {
            let was_confirmed = session.confirmed;
            // Nobody has been believed under this edge id yet: the newcomer is met for the first time too.
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

    /// Seals the answer to the report of `edge` that was accepted last, which had `report_length` bytes. What would make
    /// it longer than that is left out: first the balancer's name, then the command. `None` when nothing fits, or when
    /// the edge is not known.
    pub fn acknowledge<'o>(
        &mut self,
        edge: EdgeId,
        balancer: Option<&str>,
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

    /// Forgets edges that reported once and never again: they must not keep others out.
    fn forget_announced(&mut self, now: Duration) {
        while let Some(Reverse((due, edge))) = self.announced.peek().copied() {
            if due > now {
                return;
            }
            self.announced.pop();
            let Some(session) = self.sessions.get(&edge).filter(|session| !session.confirmed) else { continue };
            // Another sender may have announced itself in its place meanwhile.
            let due = session.sender.heard_at + session.interval * ANNOUNCED_INTERVALS;
            if due > now {
                self.announced.push(Reverse((due, edge)));
            } else {
                self.sessions.remove(&edge);
            }
        }
    }

    /// Forgets an edge that is gone for good, so that its memory can be used for another.
    ///
    /// What it sent within [`Limits::max_clock_skew`] could be played back after that: forget later than that.
    pub fn forget(&mut self, edge: EdgeId) {
        self.sessions.remove(&edge);
    }
}

impl Limits {
    /// Whether an edge that was not met before may join.
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
