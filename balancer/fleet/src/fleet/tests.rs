//! How a fleet changes as reports arrive and time passes.

mod arrival_ratio;

use std::net::IpAddr;

use weir_protocol::Host;
use weir_protocol::report::Status;

use super::*;
use crate::policy::Policy;
use crate::protocol::Protocol;
use crate::query::SelectionQuery;
use crate::reason::{Reason, Refusal};
use crate::redirect_limits::RedirectLimits;
use crate::rules::Rules;
use crate::selector::Choice;
use crate::settings::FleetSettings;
use crate::testing::{ANYWHERE, LIFETIMES, SOURCE, at, id, report};

fn fleet_with(settings: &FleetSettings) -> Fleet {
    Fleet::new(LIFETIMES, Arc::new(Selector::new(settings.clone(), [])))
}

fn fleet() -> Fleet {
    fleet_with(&ANYWHERE)
}

fn sweep(fleet: &mut Fleet, now: Time) -> Vec<(EdgeId, Change)> {
    let mut changes = Vec::new();
    fleet.sweep(now, |id, change| changes.push((id, change)));
    changes
}

#[test]
fn a_snapshot_is_made_only_when_the_set_of_edges_or_a_description_changes() {
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
fn changes_of_load_and_state_are_visible_in_earlier_snapshots() {
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
fn a_silent_edge_times_out_once_and_recovers_with_its_next_report() {
    let mut fleet = fleet();
    fleet.apply(id(1), &report(), SOURCE, at(0).into());
    assert_eq!(sweep(&mut fleet, at(5000)), []);
    assert_eq!(sweep(&mut fleet, at(5001)), [(id(1), Change::State(State::TimedOut))]);
    assert_eq!(sweep(&mut fleet, at(5100)), []);
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(6000).into()), Some(Change::State(State::Running)));
}

#[test]
fn a_stopping_edge_does_not_time_out() {
    let mut fleet = fleet();
    let mut last = report();
    last.status = Status::Stopping;
    fleet.apply(id(1), &last, SOURCE, at(0).into());
    assert_eq!(sweep(&mut fleet, at(60_000)), []);
}

#[test]
fn an_edge_is_listed_until_it_is_forgotten() {
    let mut fleet = fleet();
    fleet.apply(id(1), &report(), SOURCE, at(0).into());
    fleet.take_snapshot();
    sweep(&mut fleet, at(3_600_000));
    assert_eq!(fleet.take_snapshot().unwrap().count(State::TimedOut), 1);
    assert_eq!(sweep(&mut fleet, at(3_600_001)), [(id(1), Change::Forgotten)]);
    assert_eq!(fleet.take_snapshot().unwrap().edges.len(), 0);
}

#[test]
fn a_duplicate_or_disallowed_edge_is_announced_once() {
    let mut fleet = fleet();
    fleet.apply(id(1), &report(), SOURCE, at(0).into());
    let other: IpAddr = "192.0.2.7".parse().unwrap();
    let duplicated = Origin { duplicate: Some(other), ..SOURCE };
    assert_eq!(fleet.apply(id(1), &report(), duplicated, at(1).into()), Some(Change::Duplicate(other)));
    assert_eq!(fleet.apply(id(1), &report(), duplicated, at(2).into()), None);
    let redirect_limits = RedirectLimits { hosts: vec!["example.com".to_owned()], networks: Vec::new() };
    let mut fleet = fleet_with(&FleetSettings { redirect_limits, ..FleetSettings::default() });
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(0).into()), Some(Change::Disallowed));
    assert_eq!(fleet.apply(id(1), &report(), SOURCE, at(1).into()), None);
}

#[test]
fn while_isolated_the_last_state_is_kept_until_a_report_arrives() {
    let mut fleet = fleet();
    for byte in 1..=4 {
        fleet.apply(id(byte), &report(), SOURCE, at(u64::from(byte) * 600).into());
    }
    let snapshot = fleet.take_snapshot().unwrap();
    let available =
        |now| snapshot.edges.iter().filter(|edge| edge.load.expect(&snapshot.forecast(now)).is_ok()).count();
    // The last report arrived at 2.4 s; half of the edges have been silent for 5 s at 6.2 s.
    let changes: Vec<_> = (56..100).flat_map(|tick| sweep(&mut fleet, at(tick * 100))).collect();
    assert_eq!(changes.len(), 2, "those that timed out before more than half were silent: {changes:?}");
    assert!(fleet.is_isolated());
    assert_eq!((snapshot.count(State::Running), available(at(60_000))), (4, 4));
    fleet.apply(id(1), &report(), SOURCE, at(60_000).into());
    sweep(&mut fleet, at(60_100));
    assert!(!fleet.is_isolated());
    assert_eq!(available(at(62_000)), 4, "the others have the rest of their timeout");
    assert_eq!(available(at(64_900)), 2, "the one that reports, and the one that reported last");
}

#[test]
fn a_fleet_that_stops_is_no_sign_of_isolation() {
    let mut fleet = fleet();
    let stopping = report().with(|report| report.status = Status::Stopping);
    for byte in 1..=5 {
        fleet.apply(id(byte), &stopping, SOURCE, at(0).into());
    }
    (1..200).for_each(|tick| fleet.sweep(at(tick * 100), |_, _| {}));
    assert!(!fleet.is_isolated());
}

#[test]
fn only_edges_that_join_after_the_discovery_ramp_up() {
    let mut fleet = fleet();
    let is_ramping = |fleet: &Fleet, byte| fleet.edges[&id(byte)].load.is_ramping();
    fleet.apply(id(1), &report(), SOURCE, at(7500).into());
    fleet.apply(id(2), &report(), SOURCE, at(7600).into());
    assert!(!is_ramping(&fleet, 1) && is_ramping(&fleet, 2));
    sweep(&mut fleet, at(12_600));
    fleet.apply(id(1), &report(), SOURCE, at(12_700).into());
    assert!(!is_ramping(&fleet, 1), "an edge that lost one report is not new");
    for milliseconds in (10_000..=37_500).step_by(2_500) {
        fleet.apply(id(2), &report(), SOURCE, at(milliseconds).into());
        sweep(&mut fleet, at(milliseconds + 100));
        assert_eq!(is_ramping(&fleet, 2), milliseconds < 37_500, "{milliseconds}");
    }
    fleet.apply(id(1), &report(), SOURCE, at(40_000).into());
    assert!(is_ramping(&fleet, 1), "half a minute of silence makes it new");
    fleet.apply(id(1), &report(), SOURCE, at(69_900).into());
    sweep(&mut fleet, at(70_000));
    for (status, ramps) in [(Status::Paused, false), (Status::Draining, false), (Status::Stopping, true)] {
        let other = report().with(|report| report.status = status);
        fleet.apply(id(1), &other, SOURCE, at(71_000).into());
        fleet.apply(id(1), &report(), SOURCE, at(72_000).into());
        assert_eq!(is_ramping(&fleet, 1), ramps, "{status:?}");
    }
}

#[test]
fn a_new_snapshot_is_made_when_an_edge_becomes_full() {
    let mut fleet = fleet();
    let mut small = report();
    small.capacity.connections = Some(1);
    fleet.apply(id(1), &small, SOURCE, at(0).into());
    let snapshot = fleet.take_snapshot().unwrap();
    let pick = |snapshot: &Snapshot| {
        fleet_with(&ANYWHERE)
            .selector
            .assign(snapshot, &SelectionQuery::default(), at(0), 0)
            .map(|choice| choice.reason())
    };
    assert_eq!(pick(&snapshot), Ok(Reason::Policy));
    assert_eq!(pick(&snapshot), Err(Refusal::Full));
    sweep(&mut fleet, at(100));
    assert_eq!(pick(&fleet.take_snapshot().unwrap()), Err(Refusal::Full));
    sweep(&mut fleet, at(200));
    assert!(fleet.take_snapshot().is_none());
}

#[test]
fn a_ramp_starts_when_the_edge_accepts_clients() {
    let mut fleet = fleet();
    let starting = report().with(|report| report.status = Status::Paused);
    for milliseconds in (60_000..=120_000).step_by(2_500) {
        fleet.apply(id(1), &starting, SOURCE, at(milliseconds).into());
        sweep(&mut fleet, at(milliseconds + 100));
    }
    fleet.apply(id(1), &report(), SOURCE, at(120_200).into());
    sweep(&mut fleet, at(120_300));
    assert!(fleet.edges[&id(1)].load.is_ramping());
}

#[test]
fn round_robin_continues_from_snapshot_to_snapshot() {
    let rules = Rules { policy: Policy::RoundRobin, ..Rules::default() };
    let settings = FleetSettings { rules, ..FleetSettings::default() };
    let (mut fleet, selector) = (fleet_with(&settings), Selector::new(settings.clone(), []));
    let mut picked = Vec::new();
    for port in 1..=6 {
        for byte in 1..=3 {
            let mut changed = report();
            changed.endpoints.push(weir_protocol::report::Endpoint::new("http", port));
            fleet.apply(id(byte), &changed, SOURCE, at(0).into());
        }
        let snapshot = fleet.take_snapshot().unwrap();
        if let Ok(Choice::Edge(edge, _)) = selector.assign(&snapshot, &SelectionQuery::default(), at(0), 0) {
            picked.push(edge.id.0[0]);
        }
        assert!(selector.preview(&snapshot, &SelectionQuery::default(), at(0), 0).is_ok(), "a preview takes no turn");
    }
    assert_eq!(picked, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn an_edge_that_counts_no_connections_is_not_full_of_past_clients() {
    let mut fleet = fleet();
    // From this edge the bandwidth of a session is estimated.
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
fn an_edge_that_reports_an_absurd_bandwidth_makes_no_other_edge_full() {
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
    let available = fleet.edges.values().filter(|edge| edge.load.expect(&fleet.forecast(at(2500))).is_ok()).count();
    assert_eq!(available, 9);
    assert!(fleet.totals.bits_per_session() < 20e6, "{}", fleet.totals.bits_per_session());
}

#[test]
fn each_protocol_has_a_mean_utilisation_of_its_edges() {
    let rules = Rules { affinity: true, ..Rules::default() };
    let mut fleet = fleet_with(&FleetSettings { rules, ..FleetSettings::default() });
    for (byte, scheme, connections) in [(1, "http", 100), (2, "rtmp", 500)] {
        let mut special = report();
        special.endpoints.push(weir_protocol::report::Endpoint::new(scheme, 1));
        special.load.connections = Some(connections);
        special.capacity.connections = Some(1000);
        fleet.apply(id(byte), &special, SOURCE, at(0).into());
    }
    let snapshot = fleet.take_snapshot().unwrap();
    let mean = |protocol| snapshot.pools.any_zone(protocol).utilisation().0;
    for (protocol, expected) in [(None, 0.3), (Some(Protocol::Http), 0.1), (Some(Protocol::Rtmp), 0.5)] {
        assert!((mean(protocol) - expected).abs() < 0.01, "{protocol:?}: {}", mean(protocol));
    }
}

#[test]
fn while_isolated_no_edge_becomes_full() {
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
fn the_slot_of_a_forgotten_edge_is_reused() {
    let mut fleet = fleet();
    for (byte, milliseconds) in [(1, 0), (2, 3_600_000)] {
        fleet.apply(id(byte), &report(), SOURCE, at(milliseconds).into());
    }
    sweep(&mut fleet, at(3_600_001));
    fleet.apply(id(3), &report(), SOURCE, at(3_600_002).into());
    fleet.apply(id(4), &report(), SOURCE, at(3_600_002).into());
    let slots: Vec<u32> = fleet.edges.values().map(|edge| edge.slot()).collect();
    assert_eq!(slots, [1, 0, 2]);
    let snapshot = fleet.take_snapshot().unwrap();
    assert_eq!([0, 1, 2, 3].map(|slot| snapshot.index_of_slot(slot)), [Some(1), Some(0), Some(2), None]);
}
