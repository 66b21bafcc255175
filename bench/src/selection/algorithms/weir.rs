//! Weir's own fleet and selector, as in the balancer.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use weir_fleet::random::mix;
use weir_fleet::{Choice, Fleet, FleetSettings, Lifetimes, Moment, Origin, SelectionQuery, Selector, Snapshot, Time};
use weir_protocol::key::KeyId;
use weir_protocol::{EdgeId, Report};

use crate::selection::algorithms::Picker;
use crate::selection::algorithms::reported::TIMEOUT;
use crate::selection::scenario::Scenario;
use crate::selection::servers::{Server, hash_of_stream};
use crate::selection::visits::Visit;

const LIFETIMES: Lifetimes = Lifetimes { timeout: TIMEOUT, forget_after: Duration::from_secs(3600) };
const ORIGIN: Origin = Origin { source: IpAddr::V4(Ipv4Addr::LOCALHOST), key_id: KeyId([0; 4]), duplicate: None };

/// One balancer with Weir's fleet and selector.
pub(super) struct Weir {
    /// The time at which the balancer started, which is the origin of its clock.
    started: Time,
    fleet: Fleet,
    selector: Arc<Selector>,
    snapshot: Snapshot,
}

impl Weir {
    pub(super) fn new(scenario: &Scenario, now: Time) -> Self {
        let fleet_settings = FleetSettings { rules: scenario.rules, ..FleetSettings::default() };
        let selector = Arc::new(Selector::new(fleet_settings, []));
        let fleet = Fleet::new(LIFETIMES, Arc::clone(&selector));
        Self { started: now, fleet, selector, snapshot: Snapshot::default() }
    }

    fn clock(&self, now: Time) -> Time {
        Time::after_origin(now - self.started)
    }
}

impl Picker for Weir {
    fn apply(&mut self, edge: usize, report: &Report<'_>, now: Time) {
        let now = Moment { monotonic: self.clock(now), unix: now.as_micros() / 1000 };
        self.fleet.apply(id_of(edge), report, ORIGIN, now);
    }

    fn tick(&mut self, now: Time) {
        self.fleet.sweep(self.clock(now), |_, _| ());
        if let Some(snapshot) = self.fleet.take_snapshot() {
            self.snapshot = snapshot;
        }
    }

    fn pick(&mut self, visit: &Visit, _servers: &[Server], random: u64, now: Time) -> Option<usize> {
        let query =
            SelectionQuery { stream: visit.stream.map(hash_of_stream), client: random, ..SelectionQuery::default() };
        match self.selector.assign(&self.snapshot, &query, self.clock(now), random) {
            Ok(Choice::Edge(edge, _)) => Some(number_of(edge.id)),
            Ok(Choice::Overflow) | Err(_) => None,
        }
    }
}

/// Returns an id that is as random as a real one, and ends with the number of the edge.
fn id_of(edge: usize) -> EdgeId {
    let number = edge as u64;
    EdgeId((u128::from(mix(number + 1)) << 64 | u128::from(number)).to_be_bytes())
}

fn number_of(id: EdgeId) -> usize {
    u128::from_be_bytes(id.0) as u64 as usize
}
