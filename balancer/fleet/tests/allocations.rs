//! A choice allocates nothing: with any policy, with and without affinity, and when no edge can be chosen.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use weir_fleet::{
    Fleet, FleetSettings, Lifetimes, Moment, Origin, Policy, Protocol, Rules, SelectionQuery, Selector, Snapshot, Time,
};
use weir_protocol::key::KeyId;
use weir_protocol::report::Status;
use weir_protocol::{EdgeId, Report};

fn fleet(edges: u8, status: Status, rules: Rules) -> (Snapshot, Selector) {
    let settings = FleetSettings { rules, ..FleetSettings::default() };
    let lifetimes = Lifetimes { timeout: Duration::from_secs(5), forget_after: Duration::from_secs(3600) };
    let mut fleet = Fleet::new(lifetimes, Arc::new(Selector::new(settings.clone(), [])));
    let origin = Origin { source: IpAddr::V4(Ipv4Addr::LOCALHOST), key_id: KeyId([0; 4]), duplicate: None };
    for number in 0..edges {
        let mut report = Report::new(0, 0, Duration::from_millis(2500));
        report.status = status;
        report.load.connections = Some(number.into());
        fleet.apply(EdgeId([number; 16]), &report, origin, Moment::from(Time::ORIGIN));
    }
    (fleet.take_snapshot().unwrap_or_default(), Selector::new(settings, []))
}

#[test]
fn a_choice_allocates_nothing() {
    let affinities = Policy::ALL.into_iter().flat_map(|policy| [(policy, false), (policy, true)]);
    for ((policy, affinity), edges) in affinities.flat_map(|rules| [(rules, 5), (rules, 100)]) {
        for status in [Status::Running, Status::Paused] {
            let (snapshot, selector) = fleet(edges, status, Rules { policy, affinity, ..Rules::default() });
            let allocated = allocation_counter::measure(|| {
                for random in 0..1000 {
                    let query = SelectionQuery {
                        protocol: Some(Protocol::Http),
                        stream: Some(random % 10),
                        ..SelectionQuery::default()
                    };
                    let assigned = selector.assign(&snapshot, &query, Time::from_micros(random), random);
                    assert_eq!(assigned.is_ok(), status == Status::Running);
                }
            });
            assert_eq!(allocated.count_total, 0, "{policy:?}, affinity {affinity}, {edges} edges {status:?}");
        }
    }
}
