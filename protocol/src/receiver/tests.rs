//! Acceptance and rejection of reports, and acks.

use proptest::prelude::*;

use super::*;
use crate::ack::Action;
use crate::key::{EdgeKey, Secret, SessionKeys};
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

/// The next datagram of a sender that started at `boot`.
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

/// A receiver that has accepted the first report of a sender, which started at [`NOW`].
fn after_first_contact() -> (Receiver, Sender) {
    let (mut receiver, mut sender) = (receiver(), sender(1));
    assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Err(Rejection::Unconfirmed));
    assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(true));
    (receiver, sender)
}

#[test]
fn a_sealed_report_is_opened_with_the_same_contents() {
    let (mut receiver, mut sender) = after_first_contact();
    let mut report = Report::new(NOW, NOW, INTERVAL);
    report.load.connections = Some(7);
    let mut datagram = sender.seal(&report).unwrap().to_vec();
    let accepted = receiver.open(&mut datagram, &at(0)).unwrap();
    assert_eq!((accepted.edge, accepted.key_id, accepted.booted), (EDGE, secret(1).id(), false));
    assert_eq!(accepted.report, report);
}

#[test]
fn the_body_of_a_datagram_is_not_readable() {
    let mut report = Report::new(NOW, NOW, INTERVAL);
    report.zone = Some(Name::from_static("hidden-zone"));
    let datagram = sender(1).seal(&report).unwrap().to_vec();
    assert!(!datagram.windows(6).any(|window| window == b"hidden"));
}

#[test]
fn a_new_edge_is_accepted_at_its_second_report_and_not_by_a_replay_of_the_first() {
    let (mut receiver, mut sender) = (receiver(), sender(1));
    let first = sealed(&mut sender, NOW);
    assert_eq!(open(&mut receiver, &first), Err(Rejection::Unconfirmed));
    assert_eq!(open(&mut receiver, &first), Err(Rejection::Counter));
    assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(true));
    assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(false));
}

#[test]
fn a_replayed_or_overtaken_datagram_is_rejected() {
    let (mut receiver, mut sender) = after_first_contact();
    let (first, second) = (sealed(&mut sender, NOW), sealed(&mut sender, NOW));
    assert_eq!(open(&mut receiver, &second), Ok(false));
    assert_eq!(open(&mut receiver, &second), Err(Rejection::Counter));
    assert_eq!(open(&mut receiver, &first), Err(Rejection::Counter));
}

#[test]
fn a_restarted_agent_takes_over_at_once_after_a_clean_stop_and_the_earlier_one_never_returns() {
    let (mut receiver, mut earlier) = after_first_contact();
    let recording = sealed(&mut earlier, NOW);
    let mut last = Report::new(NOW, NOW, INTERVAL);
    last.status = Status::Stopping;
    assert_eq!(open(&mut receiver, earlier.seal(&last).unwrap()), Ok(false));
    let mut later = sender(2);
    assert_eq!(open(&mut receiver, &sealed(&mut later, NOW + 1)), Ok(true));
    assert_eq!(open(&mut receiver, &recording), Err(Rejection::Duplicate));
    assert_eq!(open(&mut receiver, &sealed(&mut later, NOW + 1)), Ok(false));
}

#[test]
fn after_a_crash_a_restarted_agent_takes_over_once_the_earlier_one_misses_a_report() {
    let (mut receiver, _crashed) = after_first_contact();
    let mut later = sender(2);
    assert_eq!(open_at(&mut receiver, &sealed(&mut later, NOW + 1), 3125), Err(Rejection::Duplicate));
    assert_eq!(open_at(&mut receiver, &sealed(&mut later, NOW + 1), 3126), Ok(true));
}

#[test]
fn of_two_senders_with_one_guid_the_first_is_kept_and_the_other_is_reported() {
    let (mut receiver, mut first) = after_first_contact();
    let mut copy = sender(2);
    let other_source = "192.0.2.2:6000".parse().unwrap();
    for turn in 1..10 {
        let arrival = Arrival { source: other_source, ..at(turn * 2500) };
        let rejected = receiver.open(&mut sealed(&mut copy, NOW + 1), &arrival).map(drop);
        assert_eq!(rejected, Err(Rejection::Duplicate));
        let mut datagram = sealed(&mut first, NOW);
        let accepted = receiver.open(&mut datagram, &at(turn * 2500 + 10)).unwrap();
        assert_eq!(accepted.duplicate, Some(other_source));
    }
    let mut datagram = sealed(&mut first, NOW);
    let accepted = receiver.open(&mut datagram, &at(60_000)).unwrap();
    assert_eq!(accepted.duplicate, None, "the copy has been silent for long");
}

#[test]
fn a_recording_of_an_earlier_start_is_distinguished_from_a_copy_by_its_age() {
    let (mut receiver, _sender) = after_first_contact();
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
fn an_edge_that_holds_only_its_own_key_cannot_impersonate_another() {
    let other = EdgeId([8; 16]);
    let mut impostor = Sender::new(secret(1).edge_key(other), EDGE, [1; 16]);
    assert_eq!(open(&mut receiver(), &sealed(&mut impostor, NOW)), Err(Rejection::Signature));
}

#[test]
fn a_secret_can_be_replaced_while_edges_report() {
    let (mut receiver, mut sender) = after_first_contact();
    receiver.set_keys([secret(1), secret(2)].into_iter().collect());
    assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Ok(false));
    let mut switched = Sender::new(secret(2).edge_key(EDGE), EDGE, [2; 16]);
    assert_eq!(open_at(&mut receiver, &sealed(&mut switched, NOW + 1), 5000), Ok(true));
    receiver.set_keys([secret(2)].into_iter().collect());
    assert_eq!(open(&mut receiver, &sealed(&mut sender, NOW)), Err(Rejection::KeyId));
    assert_eq!(open(&mut receiver, &sealed(&mut switched, NOW + 1)), Ok(false));
}

#[test]
fn clock_skew_matters_only_at_first_contact() {
    let (mut receiver, mut sender) = (receiver(), sender(1));
    let report = |send_time| Report::new(NOW, send_time, INTERVAL);
    let off = sender.seal(&report(NOW - 60_001)).unwrap().to_vec();
    assert_eq!(open(&mut receiver, &off), Err(Rejection::Skew));
    assert_eq!(open(&mut receiver, sender.seal(&report(NOW + 60_000)).unwrap()), Err(Rejection::Unconfirmed));
    assert_eq!(open(&mut receiver, sender.seal(&report(0)).unwrap()), Ok(true));
}

#[test]
fn a_recording_cannot_replace_an_unconfirmed_edge() {
    let (mut receiver, mut recorded) = (receiver(), sender(2));
    assert_eq!(open(&mut receiver, &sealed(&mut sender(1), NOW)), Err(Rejection::Unconfirmed));
    let an_hour_old = Report::new(NOW + 1, NOW - 3_600_000, INTERVAL);
    for _ in 0..2 {
        assert_eq!(open(&mut receiver, recorded.seal(&an_hour_old).unwrap()), Err(Rejection::Skew));
    }
}

#[test]
fn the_number_of_edges_is_limited_and_forgetting_one_admits_another() {
    let mut receiver = with_limits(Limits { max_edges: 1, ..Limits::default() });
    let mut second = sender_of(EdgeId([8; 16]), 1);
    assert_eq!(open(&mut receiver, &sealed(&mut sender(1), NOW)), Err(Rejection::Unconfirmed));
    assert_eq!(open(&mut receiver, &sealed(&mut second, NOW)), Err(Rejection::Edges));
    receiver.forget(EDGE);
    assert_eq!(open(&mut receiver, &sealed(&mut second, NOW)), Err(Rejection::Unconfirmed));
}

#[test]
fn an_edge_that_reports_only_once_keeps_no_other_out() {
    let mut receiver = with_limits(Limits { max_edges: 1, ..Limits::default() });
    let mut second = sender_of(EdgeId([8; 16]), 1);
    assert_eq!(open_at(&mut receiver, &sealed(&mut sender(1), NOW), 0), Err(Rejection::Unconfirmed));
    assert_eq!(open_at(&mut receiver, &sealed(&mut second, NOW), 7499), Err(Rejection::Edges));
    assert_eq!(open_at(&mut receiver, &sealed(&mut second, NOW), 7500), Err(Rejection::Unconfirmed));
    assert_eq!(open_at(&mut receiver, &sealed(&mut second, NOW), 7600), Ok(true));
    assert_eq!(
        open_at(&mut receiver, &sealed(&mut sender(1), NOW), 60_000),
        Err(Rejection::Edges),
        "a confirmed edge stays"
    );
}

#[test]
fn unknown_salts_are_limited_without_affecting_known_edges() {
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
fn each_kind_of_damage_has_its_reason() {
    let datagram = sealed(&mut sender(1), NOW);
    let changed = |offset: usize, to: u8| {
        let mut datagram = datagram.clone();
        datagram[offset] = to;
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

const COMMAND: Command = Command { id: 5, action: Action::Pause };

fn acknowledge(receiver: &mut Receiver, length: usize) -> Vec<u8> {
    let mut output = [0; MAX_LENGTH];
    receiver.acknowledge(EDGE, Some(Name::from_static("lb1")), Some(COMMAND), length, &mut output).unwrap().to_vec()
}

#[test]
fn an_ack_names_its_report_and_is_accepted_once() {
    let (mut receiver, mut sender) = after_first_contact();
    let mut first = acknowledge(&mut receiver, 300);
    let replay = first.clone();
    let ack = sender.open_ack(&mut first).unwrap();
    assert_eq!((ack.counter, ack.balancer, ack.command), (2, Some(Name::from_static("lb1")), Some(COMMAND)));
    assert_eq!(sender.open_ack(&mut replay.clone()), Err(Rejection::Counter));
    open(&mut receiver, &sealed(&mut sender, NOW)).unwrap();
    assert!(sender.open_ack(&mut acknowledge(&mut receiver, 300)).is_ok());
}

#[test]
fn an_ack_is_rejected_by_a_later_start_by_another_edge_and_if_it_was_changed() {
    let (mut receiver, mut sender) = after_first_contact();
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
    let (mut receiver, mut sender) = after_first_contact();
    for length in 0..300 {
        let mut output = [0; MAX_LENGTH];
        let ack = receiver.acknowledge(EDGE, Some(Name::from_static("balancer-1")), Some(COMMAND), length, &mut output);
        assert!(ack.is_none_or(|ack| ack.len() <= length), "{length}");
    }
    // The shortest report.
    let mut shortest = acknowledge(&mut receiver, sealed(&mut sender, NOW).len());
    assert!(sender.open_ack(&mut shortest).is_ok());
}

/// A datagram with this body. Its keys may differ from those of the sender with salt 1.
fn sealed_body(body: &[u8], counter: u64, encryption: &EdgeKey, signature: &EdgeKey) -> Vec<u8> {
    let salt = [1; 16];
    let keys = SessionKeys {
        encryption: encryption.report_keys(&salt).encryption,
        signature: signature.report_keys(&salt).signature,
    };
    let header = Header { kind: Kind::Report, key_id: secret(1).id(), edge: EDGE, salt, counter };
    let mut datagram = [0; MAX_LENGTH];
    datagram[HEADER_LENGTH..HEADER_LENGTH + body.len()].copy_from_slice(body);
    let length = datagram::seal(&header, &keys, body.len(), &mut datagram);
    datagram[..length].to_vec()
}

#[test]
fn a_correct_signature_over_an_undecryptable_body_is_rejected() {
    let (right, wrong) = (secret(1).edge_key(EDGE), secret(2).edge_key(EDGE));
    assert_eq!(open(&mut receiver(), &sealed_body(&[0xa0], 1, &wrong, &right)), Err(Rejection::Decryption));
    assert_eq!(open(&mut receiver(), &sealed_body(&[0xa0], 1, &right, &wrong)), Err(Rejection::Signature));
    assert_eq!(open(&mut receiver(), &sealed_body(&[0xa0], 1, &right, &right)), Err(Rejection::Body));
}

proptest! {
    #[test]
    fn each_part_of_the_header_is_rejected_for_its_own_reason(offset in 0_usize..12, byte in any::<u8>()) {
        let whole = sealed(&mut sender(1), NOW);
        prop_assume!(whole[offset] != byte);
        let mut changed = whole;
        changed[offset] = byte;
        let reason = match offset {
            0..4 => Rejection::Magic,
            4 => Rejection::Version,
            5 => Rejection::Kind,
            6..8 => Rejection::Signature,
            _ => Rejection::KeyId,
        };
        prop_assert_eq!(open(&mut receiver(), &changed), Err(reason));
    }

    #[test]
    fn any_invalid_length_is_rejected_as_such(length in prop_oneof![0_usize..=100, 1201_usize..3000]) {
        let mut whole = sealed(&mut sender(1), NOW);
        whole.resize(length, 0);
        prop_assert_eq!(open(&mut receiver(), &whole), Err(Rejection::Length));
    }

    #[test]
    fn any_body_is_accepted_as_a_report_or_rejected(body in proptest::collection::vec(any::<u8>(), 1..1100)) {
        let key = secret(1).edge_key(EDGE);
        let is_report = codec::decode_report(&body).is_ok_and(|report| report.send_time.abs_diff(NOW) <= 60_000);
        let rejection = open(&mut receiver(), &sealed_body(&body, 1, &key, &key)).unwrap_err();
        prop_assert!(is_report || matches!(rejection, Rejection::Body | Rejection::Skew), "{:?}", rejection);
    }

    #[test]
    fn a_clock_skew_of_up_to_a_minute_is_accepted(ahead in any::<bool>(), off in 0_u64..200_000) {
        let send_time = if ahead { NOW + off } else { NOW - off };
        let datagram = sender(1).seal(&Report::new(NOW, send_time, INTERVAL)).unwrap().to_vec();
        let expected = if off <= 60_000 { Rejection::Unconfirmed } else { Rejection::Skew };
        prop_assert_eq!(open(&mut receiver(), &datagram), Err(expected));
    }

    #[test]
    fn a_restart_is_accepted_only_if_it_is_later_and_the_earlier_sender_is_silent(
        boot in NOW - 5..NOW + 5, silent in 0_u64..10_000, fresh in any::<bool>(),
    ) {
        let (mut receiver, _sender) = after_first_contact();
        let send_time = if fresh { NOW } else { NOW - 100_000 };
        let datagram = sender(2).seal(&Report::new(boot, send_time, INTERVAL)).unwrap().to_vec();
        let expected = match (boot > NOW, silent > 3125) {
            (true, true) => Ok(true),
            (false, _) if !fresh => Err(Rejection::Boot),
            _ => Err(Rejection::Duplicate),
        };
        prop_assert_eq!(open_at(&mut receiver, &datagram, silent), expected);
    }

    #[test]
    fn at_most_the_maximum_number_of_edges_is_remembered(max_edges in 1_usize..20, tried in 1_u8..30) {
        let mut receiver = with_limits(Limits { max_edges, ..Limits::default() });
        let announced = (0..tried).filter(|byte| {
            let outcome = open(&mut receiver, &sealed(&mut sender_of(EdgeId([*byte; 16]), 1), NOW));
            outcome == Err(Rejection::Unconfirmed)
        });
        prop_assert_eq!(announced.count(), max_edges.min(tried.into()));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_rejected_and_changes_nothing(bit in any::<prop::sample::Index>()) {
        let (mut receiver, mut sender) = after_first_contact();
        let whole = sealed(&mut sender, NOW);
        let mut damaged = whole.clone();
        let bit = bit.index(whole.len() * 8);
        damaged[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open(&mut receiver, &damaged).is_err());
        prop_assert_eq!(open(&mut receiver, &whole), Ok(false));
    }

    #[test]
    fn a_truncated_datagram_is_rejected(length in any::<prop::sample::Index>()) {
        let (mut receiver, mut sender) = after_first_contact();
        let whole = sealed(&mut sender, NOW);
        prop_assert!(open(&mut receiver, &whole[..length.index(whole.len())]).is_err());
    }

    #[test]
    fn noise_is_rejected(noise in proptest::collection::vec(any::<u8>(), 0..1300)) {
        let (mut receiver, mut sender) = after_first_contact();
        prop_assert!(receiver.open(&mut noise.clone(), &at(0)).is_err());
        prop_assert!(sender.open_ack(&mut noise.clone()).is_err());
    }

    #[test]
    fn each_datagram_is_accepted_at_most_once_in_any_order(
        order in proptest::collection::vec(0_usize..20, 0..60),
    ) {
        let (mut receiver, mut sender) = after_first_contact();
        let datagrams: Vec<_> = (0..20).map(|_| sealed(&mut sender, NOW)).collect();
        let mut newest = None;
        for index in order {
            let accepted = open(&mut receiver, &datagrams[index]).is_ok();
            prop_assert_eq!(accepted, newest.is_none_or(|newest| index > newest));
            newest = newest.max(Some(index));
        }
    }
}
