//! The scenarios of the benchmark, and the bounds of each.

use std::time::Duration;

use weir_fleet::{Rules, Time};

use crate::selection::scenario::{Incident, Scenario, Unit, equal, seconds};
use crate::selection::trace::Figure::{Copies, Lost, Mean, PeakShare, Worst};
use crate::selection::visits::Crowd;

/// The capacity of an edge of one unit, in sessions. No edge is ever full.
const UNIT: u64 = 20_000;
/// The initial sessions per unit, in steady scenarios and before a crowd arrives.
const STEADY: f64 = 1000.0;
const QUIET: f64 = 100.0;
/// The units of unequal edges, in turn.
const UNEQUAL: [u64; 5] = [1, 1, 2, 4, 10];

/// The start of a crowd in seconds, its duration, and its arrivals per second. The scenario ends with the crowd:
/// afterwards too few clients arrive for any algorithm to compensate for those that leave.
const FLASH: u64 = 10;
const FLASH_LENGTH: Duration = Duration::from_secs(30);
const FLASH_RATE: f64 = 10_000.0;
const FLASH_END: u64 = 40;
/// The time of an incident in the middle of the crowd, in seconds.
const MID_FLASH: u64 = 25;
/// The time until the first reports of the crowd. No algorithm can know of it before, and the measurement starts then.
const FIRST_REPORTS: Duration = Duration::from_millis(2500);

/// Returns every scenario, in the order of the table.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let mut all = vec![
        Scenario {
            name: "A",
            title: "steady, 5 equal edges, 1 balancer",
            bounds: vec![(Mean, 1.006)],
            ..steady(vec![UNIT; 5], 1)
        },
        Scenario {
            name: "B",
            title: "steady, 100 unequal edges, 3 balancers",
            bounds: vec![(Mean, 1.008)],
            ..steady(unequal(100), 3)
        },
        Scenario {
            name: "C",
            title: "10,000 clients/s, 20 unequal edges, 1 balancer",
            bounds: vec![(Mean, 1.010), (Worst, 1.05)],
            ..flash(unequal(20), equal(1))
        },
        Scenario {
            name: "D",
            title: "10,000 clients/s, 100 unequal edges, 3 balancers",
            bounds: vec![(Mean, 1.015), (Worst, 1.05)],
            ..flash(unequal(100), equal(3))
        },
        Scenario {
            name: "E",
            title: "10,000 clients/s, 1000 unequal edges, 5 balancers",
            bounds: vec![(Mean, 1.09), (Worst, 1.20)],
            ..flash(unequal(1000), equal(5))
        },
        Scenario {
            name: "G",
            title: "as D, clients split 70 : 20 : 10",
            bounds: vec![(Mean, 1.015), (Worst, 1.05)],
            ..flash(unequal(100), vec![0.7, 0.2, 0.1])
        },
        Scenario {
            name: "J",
            title: "10,000 clients/s, 20 equal edges, 3 balancers",
            bounds: vec![(Mean, 1.010), (Worst, 1.09)],
            ..flash(vec![UNIT; 20], equal(3))
        },
        empty_edge_joins(),
        stress(),
    ];
    all.extend(with_faults());
    all.extend([affinity("affinity", true), affinity("no-affinity", false)]);
    all
}

/// Returns the scenarios with incidents, and the one in which sessions differ in bandwidth.
fn with_faults() -> Vec<Scenario> {
    let base = || flash(unequal(100), equal(3));
    vec![
        unequal_bit_rates(),
        Scenario {
            name: "L",
            title: "as D, half of all leave within 2 s",
            incident: Some((seconds(MID_FLASH), Incident::HalfLeave)),
            bounds: vec![(Mean, 1.035), (Worst, 1.17)],
            ..base()
        },
        Scenario {
            name: "K",
            title: "as D, one of the largest edges dies",
            incident: Some((seconds(MID_FLASH), Incident::Dies(99))),
            // A 36th of all clients for the 5 s until the edge times out, and of those that return.
            bounds: vec![(Mean, 1.015), (Worst, 1.05), (Lost, 1600.0)],
            ..base()
        },
        Scenario {
            name: "R",
            title: "as D, one balancer starts again",
            incident: Some((seconds(MID_FLASH), Incident::Restarts(0))),
            bounds: vec![(Mean, 1.015), (Worst, 1.06)],
            ..base()
        },
    ]
}

fn steady(capacities: Vec<u64>, balancers: usize) -> Scenario {
    let common = Scenario::default();
    Scenario {
        capacities,
        level: STEADY / UNIT as f64,
        crowd: Crowd { shares: equal(balancers), ..common.crowd },
        measured_from: Time::ORIGIN + FIRST_REPORTS,
        ..common
    }
    .steady()
}

fn flash(capacities: Vec<u64>, shares: Vec<f64>) -> Scenario {
    let common = Scenario::default();
    Scenario {
        capacities,
        level: QUIET / UNIT as f64,
        crowd: Crowd { shares, ..common.crowd },
        measured_from: seconds(FLASH) + FIRST_REPORTS,
        end: seconds(FLASH_END),
        ..common
    }
    .with_flash(FLASH_RATE, seconds(FLASH), FLASH_LENGTH)
}

/// The edges are large, so that 2,000 clients arrive per second in a steady state.
fn empty_edge_joins() -> Scenario {
    let steady = Scenario { capacities: vec![5 * UNIT; 21], level: 0.705, ..steady(Vec::new(), 3) }.steady();
    Scenario {
        name: "F",
        title: "an empty edge joins 20, 2,000 clients/s, 3 balancers",
        incident: Some((seconds(20), Incident::Joins(20))),
        measured_from: seconds(20),
        bounds: vec![(PeakShare, 6.0)],
        ..steady
    }
}

fn stress() -> Scenario {
    let mut stress = flash(unequal(100), equal(3));
    stress.crowd.absent = 0.3;
    stress.loss = 0.1;
    Scenario {
        name: "stress",
        title: "as D, 10 % of reports lost, 30 % never connect",
        bounds: vec![(Mean, 1.025), (Worst, 1.08)],
        ..stress
    }
}

fn unequal_bit_rates() -> Scenario {
    let common = flash(unequal(100), equal(3));
    let crowd = Crowd { bit_rates: &[1_000_000, 8_000_000], ..common.crowd };
    let mean = crowd.mean_bits_per_second();
    let capacities = common.capacities.iter().map(|sessions| (*sessions as f64 * mean) as u64).collect();
    Scenario {
        name: "H",
        title: "as D, sessions of 1 or 8 Mbit/s, bandwidth limits",
        capacities,
        unit: Unit::Bits,
        // Only the oracle knows whether the next session has 1 or 8 Mbit/s.
        bounds: vec![(Mean, 1.04), (Worst, 1.13)],
        crowd,
        ..common
    }
}

/// The fleet is empty at first, so that the algorithm determines where streams are.
fn affinity(name: &'static str, affinity: bool) -> Scenario {
    let common = Scenario::default();
    let end = seconds(300);
    Scenario {
        name,
        title: if affinity { "1000 streams kept together, 100 edges" } else { "the same, not kept together" },
        capacities: vec![UNIT; 100],
        crowd: Crowd { rates: vec![(end, 2000.0)], shares: equal(3), streams: 1000, ..common.crowd },
        rules: Rules { affinity, ..Rules::default() },
        measured_from: seconds(120),
        end,
        bounds: if affinity { vec![(Mean, 1.005), (Copies, 1.6)] } else { Vec::new() },
        ..common
    }
}

fn unequal(edges: usize) -> Vec<u64> {
    UNEQUAL.iter().cycle().take(edges).map(|units| units * UNIT).collect()
}
