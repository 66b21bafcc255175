//! The time of one choice: `cargo bench --package weir-fleet`.
//!
//! Target for the default policy: 100 ns with 100 edges, 200 ns with 100,000.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use weir_fleet::{
    Fleet, FleetSettings, Lifetimes, Moment, Origin, Policy, Rules, SelectionQuery, Selector, Snapshot, Time,
};
use weir_protocol::key::KeyId;
use weir_protocol::{EdgeId, Report};

/// Returns a snapshot of this number of edges, with different sizes and loads.
fn fleet(edges: u32, rules: Rules) -> (Snapshot, Arc<Selector>) {
    let selector = Arc::new(Selector::new(FleetSettings { rules, ..FleetSettings::default() }, []));
    let lifetimes = Lifetimes { timeout: Duration::from_secs(5), forget_after: Duration::from_secs(3600) };
    let mut fleet = Fleet::new(lifetimes, Arc::clone(&selector));
    let origin = Origin { source: IpAddr::V4(Ipv4Addr::LOCALHOST), key_id: KeyId([0; 4]), duplicate: None };
    for number in 0..edges {
        let mut report = Report::new(0, 0, Duration::from_millis(2500));
        report.load.connections = Some(u64::from(number % 1000));
        report.capacity.connections = Some(100_000_000 + u64::from(number % 7) * 100_000_000);
        let mut id = [0; 16];
        // Scattered, as GUIDs are.
        id[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_le_bytes());
        fleet.apply(EdgeId(id), &report, origin, Moment::from(Time::ORIGIN));
    }
    fleet.sweep(Time::ORIGIN, |_, _| {});
    (fleet.take_snapshot().unwrap_or_default(), selector)
}

fn pick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick");
    for (policy, sizes) in [
        (Policy::LeastUtilised, &[5, 100, 1000, 10_000, 100_000][..]),
        (Policy::LeastConnections, &[100]),
        (Policy::RoundRobin, &[100]),
        (Policy::Random, &[100]),
        (Policy::Hash, &[100]),
        (Policy::Wowza, &[100]),
    ] {
        for edges in sizes {
            let (snapshot, selector) = fleet(*edges, Rules { policy, ..Rules::default() });
            let mut random = 0;
            group.bench_function(BenchmarkId::new(policy.name(), edges), |bencher| {
                bencher.iter(|| {
                    random += 1;
                    black_box(selector.assign(
                        &snapshot,
                        &SelectionQuery::default(),
                        Time::from_micros(random / 16),
                        random,
                    ))
                });
            });
        }
    }
    for edges in [100, 1000] {
        let (snapshot, selector) = fleet(edges, Rules { affinity: true, ..Rules::default() });
        let mut random = 0;
        group.bench_function(BenchmarkId::new("affinity", edges), |bencher| {
            bencher.iter(|| {
                random += 1;
                let query = SelectionQuery { stream: Some(random % 1000), ..SelectionQuery::default() };
                black_box(selector.assign(&snapshot, &query, Time::from_micros(random / 16), random))
            });
        });
    }
}

criterion_group!(benches, pick);
criterion_main!(benches);
