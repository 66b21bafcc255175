//! The balancer's end: which datagram is believed, and why another is rejected.

use std::collections::HashMap;
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
    sessions: HashMap<EdgeId, Session>,
    salts: Salts,
    /// The balancer's own boot salt, for its acks.
    ack_salt: [u8; SALT_LENGTH],
    /// The counter of the last ack.
    ack_counter: u64,
}

impl Receiver {
    /// A receiver that has met nobody. `ack_salt` is 16 bytes of a cryptographic random source.
    #[must_use]
    pub fn new(ring: KeyRing, limits: Limits, ack_salt: [u8; SALT_LENGTH]) -> Self {
        let salts = Salts::new(limits.salts);
        Self { ring, limits, sessions: HashMap::new(), salts, ack_salt, ack_counter: 0 }
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
            self.limits.admit(&report, arrival.unix, self.sessions.len())?;
            let session = Session::new(sender, key.ack_keys(&self.ack_salt), &report);
            self.sessions.insert(header.edge, session);
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
            *session = Session::new(*challenger, ack_keys, &report);
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ack::Order;
    use crate::key::Secret;
    use crate::report::Status;
    use crate::sender::Sender;

    const NOW: u64 = 1_790_000_000_000;
    const EDGE: EdgeId = EdgeId([7; 16]);
    const INTERVAL: Duration = Duration::from_millis(2500);

    fn secret(byte: u8) -> Secret {
        Secret::from_random([byte; 32])
    }

    fn with_limits(limits: Limits) -> Receiver {
        Receiver::new([secret(1)].into_iter().collect(), limits, [99; 16])
    }

    fn receiver() -> Receiver {
        with_limits(Limits::default())
    }

    fn sender_of(edge: EdgeId, salt: u8) -> Sender {
        Sender::new(secret(1).edge_key(edge), edge, [salt; 16])
    }

    fn sender(salt: u8) -> Sender {
        sender_of(EDGE, salt)
    }

    /// A report of a sender that started at `boot`, as it goes over the wire.
    fn sealed(sender: &mut Sender, boot: u64) -> Vec<u8> {
        sender.seal(&Report::new(boot, NOW, INTERVAL)).unwrap().to_vec()
    }

    /// Milliseconds after the receiver's start.
    fn at(milliseconds: u64) -> Arrival {
        Arrival { source: "192.0.2.1:5000".parse().unwrap(), monotonic: Duration::from_millis(milliseconds), unix: NOW }
    }

    fn open_at(receiver: &mut Receiver, datagram: &[u8], milliseconds: u64) -> Result<bool, Rejection> {
        receiver.open(&mut datagram.to_vec(), &at(milliseconds)).map(|accepted| accepted.booted)
    }

    fn open(receiver: &mut Receiver, datagram: &[u8]) -> Result<bool, Rejection> {
        open_at(receiver, datagram, 0)
    }

    /// A receiver that knows the sender, which started at [`NOW`].
    fn met() -> (Receiver, Sender) {
        let (mut receiver, mut sender) = (receiver(), sender(1));
        assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Err(Rejection::Unconfirmed));
        assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(true));
        (receiver, sender)
    }

    #[test]
    fn what_was_sealed_is_opened_and_says_the_same() {
        let (mut receiver, mut sender) = met();
        let mut report = Report::new(NOW, NOW, INTERVAL);
        report.load.connections = Some(7);
        let mut datagram = sender.seal(&report).unwrap().to_vec();
        let accepted = receiver.open(&mut datagram, &at(0)).unwrap();
        assert_eq!((accepted.edge, accepted.key_id, accepted.booted), (EDGE, secret(1).id(), false));
        assert_eq!(accepted.report, report);
    }

    #[test]
    fn a_datagram_hides_its_body() {
        let mut report = Report::new(NOW, NOW, INTERVAL);
        report.zone = Some("hidden-zone");
        let datagram = sender(1).seal(&report).unwrap().to_vec();
        assert!(!datagram.windows(6).any(|window| window == b"hidden"));
    }

    #[test]
    fn an_edge_not_met_before_is_believed_at_its_second_report_and_not_by_a_replay_of_the_first() {
        let (mut receiver, mut sender) = (receiver(), sender(1));
        let first = sealed(&mut sender, NOW);
        assert_eq!(open(&mut receiver, &first), Err(Rejection::Unconfirmed));
        assert_eq!(open(&mut receiver, &first), Err(Rejection::Counter));
        assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(true));
        assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(false));
    }

    #[test]
    fn a_replayed_or_overtaken_datagram_is_rejected() {
        let (mut receiver, mut sender) = met();
        let (first, second) = (sealed(&mut sender, NOW), sealed(&mut sender, NOW));
        assert_eq!(open(&mut receiver, &second), Ok(false));
        assert_eq!(open(&mut receiver, &second), Err(Rejection::Counter));
        assert_eq!(open(&mut receiver, &first), Err(Rejection::Counter));
    }

    #[test]
    fn a_later_start_takes_over_at_once_after_a_goodbye_and_the_one_before_never_returns() {
        let (mut receiver, mut before) = met();
        let recording = sealed(&mut before, NOW);
        let mut last = Report::new(NOW, NOW, INTERVAL);
        last.status = Status::Stopping;
        assert_eq!(open(&mut receiver, before.seal(&last).unwrap()), Ok(false));
        let mut after = sender(2);
        assert_eq!(open(&mut receiver, &sealed(&mut after, NOW + 1)), Ok(true));
        assert_eq!(open(&mut receiver, &recording), Err(Rejection::Duplicate));
        assert_eq!(open(&mut receiver, &sealed(&mut after, NOW + 1)), Ok(false));
    }

    #[test]
    fn a_start_after_a_crash_takes_over_once_the_one_before_has_missed_its_turn() {
        let (mut receiver, _crashed) = met();
        let mut after = sender(2);
        assert_eq!(open_at(&mut receiver, &sealed(&mut after, NOW + 1), 3125), Err(Rejection::Duplicate));
        assert_eq!(open_at(&mut receiver, &sealed(&mut after, NOW + 1), 3126), Ok(true));
    }

    #[test]
    fn of_two_senders_with_one_guid_the_first_is_kept_and_the_other_shown() {
        let (mut receiver, mut first) = met();
        let mut copy = sender(2);
        let elsewhere = "192.0.2.2:6000".parse().unwrap();
        for turn in 1..10 {
            let arrival = Arrival { source: elsewhere, ..at(turn * 2500) };
            let rejected = receiver.open(&mut sealed(&mut copy, NOW + 1), &arrival).map(drop);
            assert_eq!(rejected, Err(Rejection::Duplicate));
            let mut datagram = sealed(&mut first, NOW);
            let accepted = receiver.open(&mut datagram, &at(turn * 2500 + 10)).unwrap();
            assert_eq!(accepted.duplicate, Some(elsewhere));
        }
        let mut datagram = sealed(&mut first, NOW);
        let accepted = receiver.open(&mut datagram, &at(60_000)).unwrap();
        assert_eq!(accepted.duplicate, None, "the copy has not been heard for long");
    }

    #[test]
    fn a_recording_of_an_earlier_start_is_told_from_a_copy_by_its_age() {
        let (mut receiver, _sender) = met();
        let mut earlier = sender(2);
        let report = |send_time| Report::new(NOW - 1, send_time, INTERVAL);
        assert_eq!(open(&mut receiver, earlier.seal(&report(NOW - 60_001)).unwrap()), Err(Rejection::Boot));
        assert_eq!(open(&mut receiver, earlier.seal(&report(NOW)).unwrap()), Err(Rejection::Duplicate));
        assert_eq!(
            open_at(&mut receiver, earlier.seal(&report(NOW)).unwrap(), 60_000),
            Err(Rejection::Duplicate),
            "an earlier start never takes over"
        );
    }

    #[test]
    fn a_wrong_key_is_rejected() {
        let mut foreign = Sender::new(secret(2).edge_key(EDGE), EDGE, [1; 16]);
        assert_eq!(open(&mut receiver(), &sealed(&mut foreign, NOW)), Err(Rejection::KeyId));
    }

    #[test]
    fn an_edge_that_holds_only_its_own_key_cannot_speak_for_another() {
        let other = EdgeId([8; 16]);
        let mut impostor = Sender::new(secret(1).edge_key(other), EDGE, [1; 16]);
        assert_eq!(open(&mut receiver(), &sealed(&mut impostor, NOW)), Err(Rejection::Signature));
    }

    #[test]
    fn a_secret_can_be_exchanged_while_edges_go_on() {
        let (mut receiver, mut sender) = met();
        receiver.set_ring([secret(1), secret(2)].into_iter().collect());
        assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(false));
        let mut switched = Sender::new(secret(2).edge_key(EDGE), EDGE, [2; 16]);
        assert_eq!(open_at(&mut receiver, &sealed(&mut switched, NOW + 1), 5000), Ok(true));
        receiver.set_ring([secret(2)].into_iter().collect());
        assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Err(Rejection::KeyId));
        assert_eq!(open(&mut receiver, &sealed(&mut switched, NOW + 1)), Ok(false));
    }

    #[test]
    fn a_clock_that_is_off_matters_only_at_first_contact() {
        let (mut receiver, mut sender) = (receiver(), sender(1));
        let report = |send_time| Report::new(NOW, send_time, INTERVAL);
        let off = sender.seal(&report(NOW - 60_001)).unwrap().to_vec();
        assert_eq!(open(&mut receiver, &off), Err(Rejection::Skew));
        assert_eq!(open(&mut receiver, sender.seal(&report(NOW + 60_000)).unwrap()), Err(Rejection::Unconfirmed));
        assert_eq!(open(&mut receiver, sender.seal(&report(0)).unwrap()), Ok(true));
    }

    #[test]
    fn a_recording_cannot_take_the_place_of_an_edge_that_is_not_confirmed() {
        let (mut receiver, mut recorded) = (receiver(), sender(2));
        assert_eq!(open(&mut receiver, &sealed(&mut sender(1), NOW)), Err(Rejection::Unconfirmed));
        let an_hour_old = Report::new(NOW + 1, NOW - 3_600_000, INTERVAL);
        for _ in 0..2 {
            assert_eq!(open(&mut receiver, recorded.seal(&an_hour_old).unwrap()), Err(Rejection::Skew));
        }
    }

    #[test]
    fn the_number_of_edges_is_limited_and_a_forgotten_one_makes_room() {
        let mut receiver = with_limits(Limits { max_edges: 1, ..Limits::default() });
        let mut second = sender_of(EdgeId([8; 16]), 1);
        assert_eq!(open(&mut receiver, &sealed(&mut sender(1), NOW)), Err(Rejection::Unconfirmed));
        assert_eq!(open(&mut receiver, &sealed(&mut second, NOW)), Err(Rejection::Edges));
        receiver.forget(EDGE);
        assert_eq!(open(&mut receiver, &sealed(&mut second, NOW)), Err(Rejection::Unconfirmed));
    }

    #[test]
    fn unknown_salts_are_limited_and_edges_that_are_known_do_not_suffer() {
        let salts = SaltLimits { per_source: 1, total: 1000 };
        let mut receiver = with_limits(Limits { salts, ..Limits::default() });
        let mut known = sender(1);
        open(&mut receiver, &sealed(&mut known, NOW)).unwrap_err();
        let stranger = |salt| sealed(&mut sender_of(EdgeId([salt; 16]), salt), NOW);
        assert_eq!(open(&mut receiver, &stranger(20)), Err(Rejection::Unconfirmed), "the burst is two");
        assert_eq!(open(&mut receiver, &stranger(21)), Err(Rejection::Rate));
        assert_eq!(open(&mut receiver, &sealed(&mut known, NOW)), Ok(true));
        assert_eq!(open_at(&mut receiver, &stranger(22), 1000), Err(Rejection::Unconfirmed));
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
        assert_eq!(changed(5, Kind::Ack as u8), Rejection::Kind);
        assert_eq!(changed(8, !datagram[8]), Rejection::KeyId);
        assert_eq!(changed(HEADER_LENGTH, !datagram[HEADER_LENGTH]), Rejection::Signature);
        assert_eq!(open(&mut receiver(), &datagram[..100]), Err(Rejection::Length));
        assert_eq!(open(&mut receiver(), &[0; MAX_LENGTH + 1]), Err(Rejection::Length));
        assert_eq!(open(&mut receiver(), &datagram[..datagram.len() - 1]), Err(Rejection::Signature));
    }

    const COMMAND: Command = Command { id: 5, order: Order::Pause };

    fn acknowledge(receiver: &mut Receiver, length: usize) -> Vec<u8> {
        let mut output = [0; MAX_LENGTH];
        receiver.acknowledge(EDGE, Some("lb1"), Some(COMMAND), length, &mut output).unwrap().to_vec()
    }

    #[test]
    fn an_ack_says_which_report_it_answers_and_is_believed_once() {
        let (mut receiver, mut sender) = met();
        let mut first = acknowledge(&mut receiver, 300);
        let replay = first.clone();
        let ack = sender.open_ack(&mut first).unwrap();
        assert_eq!((ack.counter, ack.balancer, ack.command), (2, Some("lb1"), Some(COMMAND)));
        assert_eq!(sender.open_ack(&mut replay.clone()), Err(Rejection::Counter));
        open(&mut receiver, &sealed(&mut sender, NOW)).unwrap();
        assert!(sender.open_ack(&mut acknowledge(&mut receiver, 300)).is_ok());
    }

    #[test]
    fn an_ack_is_worth_nothing_to_another_start_another_edge_or_when_it_was_changed() {
        let (mut receiver, mut sender) = met();
        let ack = acknowledge(&mut receiver, 300);
        let mut later = self::sender(2);
        for _ in 0..5 {
            sealed(&mut later, NOW);
        }
        assert_eq!(later.open_ack(&mut ack.clone()), Err(Rejection::Counter));
        assert_eq!(sender_of(EdgeId([8; 16]), 1).open_ack(&mut ack.clone()), Err(Rejection::KeyId));
        let mut changed = ack.clone();
        changed[60] ^= 1;
        assert_eq!(sender.open_ack(&mut changed), Err(Rejection::Signature));
        let mut report = sealed(&mut sender, NOW);
        assert_eq!(sender.open_ack(&mut report), Err(Rejection::Kind));
        assert!(sender.open_ack(&mut ack.clone()).is_ok());
    }

    #[test]
    fn an_ack_is_never_longer_than_the_report() {
        let (mut receiver, mut sender) = met();
        for length in 0..300 {
            let mut output = [0; MAX_LENGTH];
            let ack = receiver.acknowledge(EDGE, Some("balancer-1"), Some(COMMAND), length, &mut output);
            assert!(ack.is_none_or(|ack| ack.len() <= length), "{length}");
        }
        // The shortest report that there is.
        let mut shortest = acknowledge(&mut receiver, sealed(&mut sender, NOW).len());
        assert!(sender.open_ack(&mut shortest).is_ok());
    }

    proptest! {
        #[test]
        fn a_flipped_bit_anywhere_is_rejected_and_changes_nothing(bit in any::<prop::sample::Index>()) {
            let (mut receiver, mut sender) = met();
            let whole = sealed(&mut sender, NOW);
            let mut damaged = whole.clone();
            let bit = bit.index(whole.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(open(&mut receiver, &damaged).is_err());
            prop_assert_eq!(open(&mut receiver, &whole), Ok(false));
        }

        #[test]
        fn a_truncated_datagram_is_rejected(length in any::<prop::sample::Index>()) {
            let (mut receiver, mut sender) = met();
            let whole = sealed(&mut sender, NOW);
            prop_assert!(open(&mut receiver, &whole[..length.index(whole.len())]).is_err());
        }

        #[test]
        fn noise_is_rejected(noise in proptest::collection::vec(any::<u8>(), 0..1300)) {
            let (mut receiver, mut sender) = met();
            prop_assert!(receiver.open(&mut noise.clone(), &at(0)).is_err());
            prop_assert!(sender.open_ack(&mut noise.clone()).is_err());
        }

        #[test]
        fn whatever_order_datagrams_come_in_each_is_believed_once_at_most(
            order in proptest::collection::vec(0_usize..20, 0..60),
        ) {
            let (mut receiver, mut sender) = met();
            let datagrams: Vec<_> = (0..20).map(|_| sealed(&mut sender, NOW)).collect();
            let mut newest = None;
            for index in order {
                let believed = open(&mut receiver, &datagrams[index]).is_ok();
                prop_assert_eq!(believed, newest.is_none_or(|newest| index > newest));
                newest = newest.max(Some(index));
            }
        }
    }
}
