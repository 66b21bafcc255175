//! The balancer's end: which datagram is believed, and why another is rejected.

use std::collections::HashMap;
use std::time::Duration;

use crate::codec;
use crate::datagram::{self, Header};
use crate::edge_id::EdgeId;
use crate::key::{KeyId, KeyRing, SALT_LENGTH, SessionKeys};
use crate::report::Report;

/// Limits of a [`Receiver`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How far the clock of an edge may be off at first contact; `None` for any. A wider window lets older recordings
    /// be played back to a balancer that has just started.
    pub max_clock_skew: Option<Duration>,
    /// How many edges may be known at a time. Only holders of a key can use one up.
    pub max_edges: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_clock_skew: Some(Duration::from_secs(60)), max_edges: 100_000 }
    }
}

/// Why a datagram is not believed; in the order of the checks, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Shorter than any report, or longer than 1200 bytes.
    #[error("the length is not that of a report")]
    Length,
    /// Not of this protocol.
    #[error("the magic number is wrong")]
    Magic,
    /// A version of the protocol that is not spoken here.
    #[error("the version is not 1")]
    Version,
    /// Not a report.
    #[error("the kind is not that of a report")]
    Kind,
    /// The balancer holds no secret with this id.
    #[error("the key id is unknown")]
    KeyId,
    /// Another key than it says, or changed on the way.
    #[error("the signature is wrong")]
    Signature,
    /// Seen before, or overtaken by a newer one.
    #[error("the counter did not grow")]
    Counter,
    /// The tag is wrong although the signature is right: a sender with a defect.
    #[error("the body does not decrypt")]
    Decryption,
    /// Decrypted, but no report.
    #[error("the body is not a report")]
    Body,
    /// A boot salt that a later start of the sender has superseded, or a second edge with the same GUID.
    #[error("the boot salt is not newer than the one known")]
    Boot,
    /// The clock of an edge not met before is too far off.
    #[error("the clock of the edge is off by more than allowed")]
    Skew,
    /// As many edges as allowed are known already.
    #[error("too many edges")]
    Edges,
}

impl Rejection {
    /// Every reason, in the order of the checks.
    pub const ALL: [Self; 12] = [
        Self::Length,
        Self::Magic,
        Self::Version,
        Self::Kind,
        Self::KeyId,
        Self::Signature,
        Self::Counter,
        Self::Decryption,
        Self::Body,
        Self::Boot,
        Self::Skew,
        Self::Edges,
    ];

    /// A stable name for metrics and logs.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Magic => "magic",
            Self::Version => "version",
            Self::Kind => "kind",
            Self::KeyId => "key-id",
            Self::Signature => "signature",
            Self::Counter => "counter",
            Self::Decryption => "decryption",
            Self::Body => "body",
            Self::Boot => "boot",
            Self::Skew => "skew",
            Self::Edges => "edges",
        }
    }
}

/// A report that passed every check.
#[derive(Debug)]
pub struct Accepted<'d> {
    /// Whose it is.
    pub edge: EdgeId,
    /// What it says.
    pub report: Report<'d>,
    /// Whether the sender has (re)started since its last report, or was never met.
    pub booted: bool,
}

/// Opens datagrams, and remembers of each edge what is needed to refuse a replay.
#[derive(Debug)]
pub struct Receiver {
    ring: KeyRing,
    limits: Limits,
    sessions: HashMap<EdgeId, Session>,
}

/// What is remembered of one edge.
#[derive(Debug)]
struct Session {
    key_id: KeyId,
    salt: [u8; SALT_LENGTH],
    keys: SessionKeys,
    /// The highest counter seen under this salt.
    counter: u64,
    /// When the sender with this salt started, by its own clock.
    boot_time: u64,
}

impl Receiver {
    /// A receiver that has met nobody.
    #[must_use]
    pub fn new(ring: KeyRing, limits: Limits) -> Self {
        Self { ring, limits, sessions: HashMap::new() }
    }

    /// Opens one datagram in place. `now` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// The first check that failed. Nothing is remembered of a datagram that is rejected.
    pub fn open<'d>(&mut self, datagram: &'d mut [u8], now: u64) -> Result<Accepted<'d>, Rejection> {
        let header = Header::parse(datagram)?;
        let secret = self.ring.find(header.key_id).ok_or(Rejection::KeyId)?;
        let known = self.sessions.get_mut(&header.edge);
        match known {
            Some(session) if session.salt == header.salt && session.key_id == header.key_id => {
                let report = open_known(session, &header, datagram)?;
                session.counter = header.counter;
                Ok(Accepted { edge: header.edge, report, booted: false })
            }
            superseded => {
                let keys = secret.edge_key(header.edge).report_keys(&header.salt);
                let mut session = Session { key_id: header.key_id, salt: header.salt, keys, counter: 0, boot_time: 0 };
                let report = open_known(&mut session, &header, datagram)?;
                session.counter = header.counter;
                session.boot_time = report.boot_time;
                if let Some(superseded) = superseded {
                    if session.boot_time <= superseded.boot_time {
                        return Err(Rejection::Boot);
                    }
                    *superseded = session;
                } else {
                    self.limits.admit(&report, now, self.sessions.len())?;
                    self.sessions.insert(header.edge, session);
                }
                Ok(Accepted { edge: header.edge, report, booted: true })
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
        let skew = Duration::from_millis(now.abs_diff(report.send_time));
        if self.max_clock_skew.is_some_and(|most| skew > most) {
            return Err(Rejection::Skew);
        }
        if edges >= self.max_edges { Err(Rejection::Edges) } else { Ok(()) }
    }
}

fn open_known<'d>(session: &mut Session, header: &Header, datagram: &'d mut [u8]) -> Result<Report<'d>, Rejection> {
    if !datagram::verify(&session.keys, datagram) {
        return Err(Rejection::Signature);
    }
    if header.counter <= session.counter {
        return Err(Rejection::Counter);
    }
    let body = datagram::decrypt(&session.keys, header.counter, datagram).ok_or(Rejection::Decryption)?;
    codec::decode(body).map_err(|_| Rejection::Body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datagram::{HEADER_LENGTH, MAX_LENGTH};
    use crate::key::Secret;
    use crate::sender::Sender;

    const NOW: u64 = 1_790_000_000_000;
    const EDGE: EdgeId = EdgeId([7; 16]);
    const INTERVAL: Duration = Duration::from_millis(2500);

    fn secret(byte: u8) -> Secret {
        Secret::from_random([byte; 32])
    }

    fn receiver() -> Receiver {
        Receiver::new([secret(1)].into_iter().collect(), Limits::default())
    }

    fn sender(salt: u8) -> Sender {
        Sender::new(&secret(1).edge_key(EDGE), EDGE, [salt; 16])
    }

    /// A report of a sender that started at `boot`, as it goes over the wire.
    fn sealed(sender: &mut Sender, boot: u64) -> Vec<u8> {
        sender.seal(&Report::new(boot, NOW, INTERVAL)).unwrap().to_vec()
    }

    fn open(receiver: &mut Receiver, datagram: &[u8]) -> Result<bool, Rejection> {
        receiver.open(&mut datagram.to_vec(), NOW).map(|accepted| {
            assert_eq!(accepted.edge, EDGE);
            accepted.booted
        })
    }

    #[test]
    fn what_was_sealed_is_opened_and_says_the_same() {
        let mut datagram = sealed(&mut sender(1), NOW);
        let mut receiver = receiver();
        let accepted = receiver.open(&mut datagram, NOW).unwrap();
        assert_eq!(accepted.report, Report::new(NOW, NOW, INTERVAL));
    }

    #[test]
    fn a_datagram_hides_its_body() {
        let mut report = Report::new(NOW, NOW, INTERVAL);
        report.zone = Some("hidden-zone");
        let datagram = sender(1).seal(&report).unwrap().to_vec();
        assert!(!datagram.windows(6).any(|window| window == b"hidden"));
    }

    #[test]
    fn a_replayed_or_overtaken_datagram_is_rejected() {
        let (mut receiver, mut sender) = (receiver(), sender(1));
        let (first, second) = (sealed(&mut sender, NOW), sealed(&mut sender, NOW));
        assert_eq!(open(&mut receiver, &second), Ok(true));
        assert_eq!(open(&mut receiver, &second), Err(Rejection::Counter));
        assert_eq!(open(&mut receiver, &first), Err(Rejection::Counter));
        assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(false));
    }

    #[test]
    fn a_later_start_supersedes_an_earlier_one_for_good() {
        let (mut receiver, mut before, mut after) = (receiver(), sender(1), sender(2));
        assert_eq!(open(&mut receiver, &sealed(&mut before, NOW)), Ok(true));
        assert_eq!(open(&mut receiver, &sealed(&mut after, NOW + 1)), Ok(true));
        assert_eq!(open(&mut receiver, &sealed(&mut before, NOW)), Err(Rejection::Boot));
        assert_eq!(open(&mut receiver, &sealed(&mut after, NOW + 1)), Ok(false));
    }

    #[test]
    fn a_wrong_key_is_rejected() {
        let foreign = secret(2).edge_key(EDGE);
        assert_eq!(
            open(&mut receiver(), &sealed(&mut Sender::new(&foreign, EDGE, [1; 16]), NOW)),
            Err(Rejection::KeyId)
        );
    }

    #[test]
    fn an_edge_that_holds_only_its_own_key_cannot_speak_for_another() {
        let other = EdgeId([8; 16]);
        let mut impostor = Sender::new(&secret(1).edge_key(other), EDGE, [1; 16]);
        assert_eq!(open(&mut receiver(), &sealed(&mut impostor, NOW)), Err(Rejection::Signature));
    }

    #[test]
    fn a_clock_that_is_off_matters_only_at_first_contact() {
        let mut sender = sender(1);
        let report = |send_time| Report::new(NOW, send_time, INTERVAL);
        let mut receiver = receiver();
        let off = sender.seal(&report(NOW - 60_001)).unwrap().to_vec();
        assert_eq!(open(&mut receiver, &off), Err(Rejection::Skew));
        assert_eq!(open(&mut receiver, sender.seal(&report(NOW + 60_000)).unwrap()), Ok(true));
        assert_eq!(open(&mut receiver, sender.seal(&report(0)).unwrap()), Ok(false));
    }

    #[test]
    fn the_number_of_edges_is_limited_and_a_forgotten_one_makes_room() {
        let mut receiver =
            Receiver::new([secret(1)].into_iter().collect(), Limits { max_edges: 1, ..Limits::default() });
        let other = EdgeId([8; 16]);
        let mut second = Sender::new(&secret(1).edge_key(other), other, [1; 16]);
        assert_eq!(open(&mut receiver, &sealed(&mut sender(1), NOW)), Ok(true));
        assert_eq!(receiver.open(&mut sealed(&mut second, NOW), NOW).map(|_| ()), Err(Rejection::Edges));
        receiver.forget(EDGE);
        assert!(receiver.open(&mut sealed(&mut second, NOW), NOW).is_ok());
    }

    #[test]
    fn each_damage_has_its_reason() {
        let datagram = sealed(&mut sender(1), NOW);
        let changed = |at: usize, to: u8| {
            let mut datagram = datagram.clone();
            datagram[at] = to;
            open(&mut receiver(), &datagram).unwrap_err()
        };
        assert_eq!(changed(0, b'w'), Rejection::Magic);
        assert_eq!(changed(4, 2), Rejection::Version);
        assert_eq!(changed(5, 9), Rejection::Kind);
        assert_eq!(changed(8, !datagram[8]), Rejection::KeyId);
        assert_eq!(changed(HEADER_LENGTH, !datagram[HEADER_LENGTH]), Rejection::Signature);
        assert_eq!(open(&mut receiver(), &datagram[..100]), Err(Rejection::Length));
        assert_eq!(open(&mut receiver(), &[0; MAX_LENGTH + 1]), Err(Rejection::Length));
        assert_eq!(open(&mut receiver(), &datagram[..datagram.len() - 1]), Err(Rejection::Signature));
    }

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let mut names = Rejection::ALL.map(Rejection::reason).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rejection::ALL.len());
    }

    proptest! {
        #[test]
        fn a_flipped_bit_anywhere_is_rejected_and_changes_nothing(bit in any::<prop::sample::Index>()) {
            let (mut receiver, mut sender) = (receiver(), sender(1));
            open(&mut receiver, &sealed(&mut sender, NOW)).unwrap();
            let whole = sealed(&mut sender, NOW);
            let mut damaged = whole.clone();
            let bit = bit.index(whole.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&mut receiver, &damaged).is_err());
            prop_assert_eq!(open(&mut receiver, &whole), Ok(false));
        }

        #[test]
        fn a_truncated_datagram_is_rejected(length in any::<prop::sample::Index>()) {
            let whole = sealed(&mut sender(1), NOW);
            prop_assert!(open(&mut receiver(), &whole[..length.index(whole.len())]).is_err());
        }

        #[test]
        fn noise_is_rejected(noise in proptest::collection::vec(any::<u8>(), 0..1300)) {
            prop_assert!(receiver().open(&mut noise.clone(), NOW).is_err());
        }
    }
}
