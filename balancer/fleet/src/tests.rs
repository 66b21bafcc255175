//! How a fleet changes as reports come in and time passes.

use weir_protocol::Host;
use weir_protocol::report::Status;

use super::*;
use crate::testing::{ANYWHERE, LIFETIMES, SOURCE, at, id, report};

fn fleet_on(settings: &FleetSettings) -> Fleet {
    Fleet::new(LIFETIMES, Arc::new(Selector::new(settings.clone(), [])))
}

fn fleet() -> Fleet {
    fleet_on(&ANYWHERE)
}

fn swept(fleet: &mut Fleet, now: Time) -> Vec<(EdgeId, Change)> {
    let mut changes = Vec::new();
    fleet.sweep(now, |id, change| changes.push((id, change)));
    changes
}

#[test]
fn a_snapshot_is_made_only_when_the_set_or_a_description_changes() {
    let mut fleet = fleet();
    assert!(fleet.take_snapshot().is_none());
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(0).into()), Some(Change::Joined));
    assert_eq!(fleet.take_snapshot().unwrap().edges.len(), 1);
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(2500).into()), None);
    assert!(fleet.take_snapshot().is_none());
    let mut renamed = report();
    renamed.redirect = Some(Host::new("edge1").unwrap());
    fleet.apply(id(1), &renamed, SOURCE, at(5000).into());
    assert_eq!(fleet.take_snapshot().unwrap().edges[0].redirect(), "edge1");
}

#[test]
fn load_and_state_reach_a_snapshot_that_was_made_before() {
    let mut fleet = fleet();
    fleet.apply(id(1), &report(), SOURCE, at(0).into());
    let snapshot = fleet.take_snapshot().unwrap();
    let mut busy = report();
    busy.load.connections = Some(7);
    busy.status = Status::Paused;
    assert_eq!(fleet.apply(id(1), &busy, SOURCE, at(10).into()), Some(Change::State(State::Paused)));
    assert_eq!(snapshot.edges[0].load.connections(), Some(7));
    assert_eq!(snapshot.count(State::Paused), 1);
}

#[test]
fn a_silent_edge_times_out_once_and_comes_back_with_its_next_report() {
    let mut fleet = fleet();
    fleet.apply(id(1), &report(), SOURCE, at(0).into());
    assert_eq!(swept(&mut fleet, at(5000)), []);
    assert_eq!(swept(&mut fleet, at(5001)), [(id(1), Change::State(State::TimedOut))]);
    assert_eq!(swept(&mut fleet, at(5100)), []);
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(6000).into()), Some(Change::State(State::Running)));
}

#[test]
fn an_edge_that_said_goodbye_stays_stopped_rather_than_timed_out() {
    let mut fleet = fleet();
    let mut last = report();
    last.status = Status::Stopping;
    fleet.apply(id(1), &last, SOURCE, at(0).into());
    assert_eq!(swept(&mut fleet, at(60_000)), []);
}

#[test]
fn an_edge_is_listed_until_it_is_forgotten() {
    let mut fleet = fleet();
    fleet.apply(id(1), &report(), SOURCE, at(0).into());
    fleet.take_snapshot();
    swept(&mut fleet, at(3_600_000));
    assert_eq!(fleet.take_snapshot().unwrap().count(State::TimedOut), 1);
    assert_eq!(swept(&mut fleet, at(3_600_001)), [(id(1), Change::Forgotten)]);
    assert_eq!(fleet.take_snapshot().unwrap().edges.len(), 0);
}

#[test]
fn a_copy_of_an_edge_is_noticed_once_and_so_is_an_edge_that_is_not_allowed() {
    let mut fleet = fleet();
    fleet.apply(id(1), &report(), SOURCE, at(0).into());
    let elsewhere: IpAddr = "192.0.2.7".parse().unwrap();
    let copied = Origin { duplicate: Some(elsewhere), ..SOURCE };
    assert_eq!(fleet.apply(id(1), &report(), copied, at(1).into()), Some(Change::Duplicate(elsewhere)));
    assert_eq!(fleet.apply(id(1), &report(), copied, at(2).into()), None);
    let nowhere = RedirectLimits { hosts: vec!["example.com".to_owned()], networks: Vec::new() };
    let mut fleet = fleet_on(&FleetSettings { limits: nowhere, ..FleetSettings::default() });
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(0).into()), Some(Change::Disallowed));
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(1).into()), None);
}

#[test]
fn when_all_fall_silent_at_once_the_last_state_is_kept_until_one_is_heard() {
    let mut fleet = fleet();
    for byte in 1..=4 {
        fleet.apply(id(byte), &report(), SOURCE, at(u64::from(byte) * 600).into());
    }
    let snapshot = fleet.take_snapshot().unwrap();
    let available =
        |now| snapshot.edges.iter().filter(|edge| edge.load.expect(&snapshot.forecast(now)).is_ok()).count();
    // The last was heard at 2.4 s; half of them are silent for 5 s at 6.2 s.
    let changes: Vec<_> = (56..100).flat_map(|tick| swept(&mut fleet, at(tick * 100))).collect();
    assert_eq!(changes.len(), 2, "those before more than half were silent: {changes:?}");
    assert!(fleet.is_isolated());
    assert_eq!((snapshot.count(State::Running), available(at(60_000))), (4, 4));
    fleet.apply(id(1), &report(), SOURCE, at(60_000).into());
    swept(&mut fleet, at(60_100));
    assert!(!fleet.is_isolated());
    assert_eq!(available(at(62_000)), 4, "the others have the rest of their time");
    assert_eq!(available(at(64_900)), 2, "the one that is heard, and the one that was heard last");
}

#[test]
fn edges_that_all_said_goodbye_are_no_reason_for_suspicion() {
    let mut fleet = fleet();
    let stopping = Report { status: Status::Stopping, ..report() };
    for byte in 1..=5 {
        fleet.apply(id(byte), &stopping, SOURCE, at(0).into());
    }
    (1..200).for_each(|tick| fleet.sweep(at(tick * 100), |_, _| {}));
    assert!(!fleet.is_isolated());
}

#[test]
fn only_edges_that_come_when_the_fleet_is_known_ramp_up() {
    let mut fleet = fleet();
    let is_ramping = |fleet: &Fleet, byte| fleet.edges[&id(byte)].load.is_ramping();
    fleet.apply(id(1), &report(), SOURCE, at(7500).into());
    fleet.apply(id(2), &report(), SOURCE, at(7600).into());
    assert!(!is_ramping(&fleet, 1) && is_ramping(&fleet, 2));
    swept(&mut fleet, at(12_600));
    fleet.apply(id(1), &report(), SOURCE, at(12_700).into());
    assert!(!is_ramping(&fleet, 1), "one lost report makes no new edge");
    for milliseconds in (10_000..=37_500).step_by(2_500) {
        fleet.apply(id(2), &report(), SOURCE, at(milliseconds).into());
        swept(&mut fleet, at(milliseconds + 100));
        assert_eq!(is_ramping(&fleet, 2), milliseconds < 37_500, "{milliseconds}");
    }
    fleet.apply(id(1), &report(), SOURCE, at(40_000).into());
    assert!(is_ramping(&fleet, 1), "half a minute of silence does");
    fleet.apply(id(1), &report(), SOURCE, at(69_900).into());
    swept(&mut fleet, at(70_000));
    for (status, ramps) in [(Status::Paused, false), (Status::Draining, false), (Status::Stopping, true)] {
        let gone = Report { status, ..report() };
        fleet.apply(id(1), &gone, SOURCE, at(71_000).into());
        fleet.apply(id(1), &report(), SOURCE, at(72_000).into());
        assert_eq!(is_ramping(&fleet, 1), ramps, "{status:?}");
    }
}

#[test]
fn an_edge_that_becomes_full_makes_a_new_snapshot() {
    let mut fleet = fleet();
    let mut small = report();
    small.capacity.connections = Some(1);
    fleet.apply(id(1), &small, SOURCE, at(0).into());
    let snapshot = fleet.take_snapshot().unwrap();
    let pick = |snapshot: &Snapshot| {
        fleet_on(&ANYWHERE)
            .selector
            .assign(snapshot, &SelectionQuery::default(), at(0), 0)
            .map(|choice| choice.reason())
    };
    assert_eq!(pick(&snapshot), Ok(Reason::Policy));
    assert_eq!(pick(&snapshot), Err(Refusal::Full));
    swept(&mut fleet, at(100));
    assert_eq!(pick(&fleet.take_snapshot().unwrap()), Err(Refusal::Full));
    swept(&mut fleet, at(200));
    assert!(fleet.take_snapshot().is_none());
}

#[test]
fn a_ramp_begins_when_clients_can_come() {
    let mut fleet = fleet();
    let starting = Report { status: Status::Paused, ..report() };
    for milliseconds in (60_000..=120_000).step_by(2_500) {
        fleet.apply(id(1), &starting, SOURCE, at(milliseconds).into());
        swept(&mut fleet, at(milliseconds + 100));
    }
    fleet.apply(id(1), &report(), SOURCE, at(120_200).into());
    swept(&mut fleet, at(120_300));
    assert!(fleet.edges[&id(1)].load.is_ramping());
}

#[test]
fn turns_go_on_from_snapshot_to_snapshot() {
    let rules = Rules { policy: Policy::RoundRobin, ..Rules::default() };
    let settings = FleetSettings { rules, ..FleetSettings::default() };
    let (mut fleet, selector) = (fleet_on(&settings), Selector::new(settings.clone(), []));
    let mut picked = Vec::new();
    for port in 1..=6 {
        for byte in 1..=3 {
            let mut changed = report();
            changed.endpoints.push(weir_protocol::report::Endpoint { scheme: "http", host: None, port });
            fleet.apply(id(byte), &changed, SOURCE, at(0).into());
        }
        let snapshot = fleet.take_snapshot().unwrap();
        if let Ok(Choice::Edge(edge, _)) = selector.assign(&snapshot, &SelectionQuery::default(), at(0), 0) {
            picked.push(edge.id.0[0]);
        }
        assert!(selector.preview(&snapshot, &SelectionQuery::default(), at(0), 0).is_ok(), "takes nobody's turn");
    }
    assert_eq!(picked, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn an_edge_that_counts_no_connections_is_not_full_of_clients_of_long_ago() {
    let mut fleet = fleet();
    // From which it is known what a session takes.
    let mut counted = report();
    counted.load.connections = Some(1000);
    counted.load.out_bits_per_second = Some(4_000_000_000);
    fleet.apply(id(2), &counted, SOURCE, at(0).into());
    let mut uncounted = report();
    uncounted.load.connections = None;
    uncounted.load.out_bits_per_second = Some(4_000_000_000);
    uncounted.capacity.bits_per_second = Some(10_000_000_000);
    for round in 0..100 {
        fleet.apply(id(1), &uncounted, SOURCE, at(round * 2500).into());
        let edge = &fleet.edges[&id(1)];
        assert!(edge.load.expect(&fleet.forecast(at(round * 2500))).is_ok(), "{round}");
        (0..100).for_each(|_| edge.load.assign(at(round * 2500)));
    }
}

#[test]
fn one_edge_that_reports_an_absurd_bandwidth_makes_nobody_else_full() {
    let mut fleet = fleet();
    for byte in 1..=10 {
        let mut busy = report();
        busy.load.connections = Some(500);
        busy.load.out_bits_per_second = Some(if byte == 1 { u64::MAX / 5 } else { 4_000_000_000 });
        busy.capacity.bits_per_second = Some(10_000_000_000);
        for milliseconds in [0, 2500] {
            fleet.apply(id(byte), &busy, SOURCE, at(milliseconds).into());
        }
    }
    let well = fleet.edges.values().filter(|edge| edge.load.expect(&fleet.forecast(at(2500))).is_ok()).count();
    assert_eq!(well, 9);
    assert!(fleet.totals.bits_per_session() < 20e6, "{}", fleet.totals.bits_per_session());
}

#[test]
fn the_edges_of_each_protocol_are_measured_for_themselves() {
    let rules = Rules { affinity: true, ..Rules::default() };
    let mut fleet = fleet_on(&FleetSettings { rules, ..FleetSettings::default() });
    for (byte, scheme, connections) in [(1, "http", 100), (2, "rtmp", 500)] {
        let mut special = report();
        special.endpoints.push(weir_protocol::report::Endpoint { scheme, host: None, port: 1 });
        special.load.connections = Some(connections);
        special.capacity.connections = Some(1000);
        fleet.apply(id(byte), &special, SOURCE, at(0).into());
    }
    let snapshot = fleet.take_snapshot().unwrap();
    let mean = |protocol| snapshot.pools.anywhere(protocol).utilisation().0;
    for (protocol, expected) in [(None, 0.3), (Some(Protocol::Http), 0.1), (Some(Protocol::Rtmp), 0.5)] {
        assert!((mean(protocol) - expected).abs() < 0.01, "{protocol:?}: {}", mean(protocol));
    }
}

#[test]
fn while_nobody_is_heard_nobody_becomes_full() {
    let mut fleet = fleet();
    for byte in 1..=4 {
        let mut half = report();
        half.load.connections = Some(50);
        half.capacity.connections = Some(100);
        fleet.apply(id(byte), &half, SOURCE, at(0).into());
    }
    let snapshot = fleet.take_snapshot().unwrap();
    (0..100).for_each(|tick| fleet.sweep(at(tick * 100), |_, _| {}));
    assert!(fleet.is_isolated());
    for random in 0..1000 {
        let now = at(10_000 + random * 1000);
        assert!(fleet.selector.assign(&snapshot, &SelectionQuery::default(), now, random).is_ok(), "{random}");
    }
}

#[test]
fn a_forgotten_edge_leaves_its_slot_to_the_next() {
    let mut fleet = fleet();
    for (byte, milliseconds) in [(1, 0), (2, 3_600_000)] {
        fleet.apply(id(byte), &report(), SOURCE, at(milliseconds).into());
    }
    swept(&mut fleet, at(3_600_001));
    fleet.apply(id(3), &report(), SOURCE, at(3_600_002).into());
    fleet.apply(id(4), &report(), SOURCE, at(3_600_002).into());
    let slots: Vec<u32> = fleet.edges.values().map(|edge| edge.slot()).collect();
    assert_eq!(slots, [1, 0, 2]);
    let snapshot = fleet.take_snapshot().unwrap();
    assert_eq!([0, 1, 2, 3].map(|slot| snapshot.place(slot)), [Some(1), Some(0), Some(2), None]);
}
