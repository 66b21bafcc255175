//! Three independent balancers spread 20,000 clients over 30 unequal edges as evenly as the simulator predicts.

#![allow(clippy::expect_used, reason = "test helpers are test code, too")]

use std::fs;
use std::time::Duration;

use tokio::runtime;
use tokio::time::{Instant, MissedTickBehavior, interval};
use weir_bench::selection::visits::Crowd as Clients;
use weir_bench::selection::{Imbalance, Mean, Replay, Visit};
use weir_fleet::Time;
use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balance::Series;
use weir_tests::balancer::{Balancer, folder};
use weir_tests::clients::crowd::Crowd;
use weir_tests::edges::{SimulatedEdge, SimulatedEdges};
use weir_tests::open_files;
use weir_tests::wait::PATIENCE;

const BALANCERS: usize = 3;
const EDGES: usize = 30;

/// Capacity of the smallest edges in sessions, and the capacities of the edges in this unit, repeated in turn. The
/// total is one and a half times the crowd, so that no edge is full; full edges are not the subject of this test.
const UNIT: u64 = 70;
const CAPACITIES: [u64; 5] = [1, 1, 2, 4, 10];

const CLIENTS: u32 = 20_000;
/// Arrivals per second. With a mean session length of 11 s, about 5,000 sessions are open at the same time.
const RATE: f64 = 500.0;
const SESSION_LENGTHS: &[(f64, Duration)] = &[(0.5, Duration::from_secs(4)), (0.5, Duration::from_secs(18))];

/// Both ends of each session are in this process: two files for each of at most 5,500 sessions, and some for clients
/// that are still connecting.
const OPEN_FILES: u64 = 14_000;

/// The first round of reports, and the time until edges have enough sessions for a single one to be a small share.
const WARM_UP: Duration = Duration::from_secs(10);
/// End of the measurement: the last client arrives at about this time.
const END: Duration = Duration::from_secs(40);
const SAMPLE: Duration = Duration::from_millis(100);

/// Report interval: the agents' default.
const INTERVAL: Duration = Duration::from_millis(2500);
/// Allowed relative deviation of the mean from the simulator's.
const TOLERANCE: f64 = 0.03;
/// Number of simulations, each with a different seed.
const SIMULATIONS: u64 = 10;

#[test]
fn three_balancers_spread_20_000_clients_over_30_edges_as_the_simulator_predicts() {
    open_files::raise_limit(OPEN_FILES);
    let capacities: Vec<u64> = CAPACITIES.iter().cycle().take(EDGES).map(|times| times * UNIT).collect();
    let series = spread_the_crowd(&capacities);
    let (measured, expected) = (series.imbalance(WARM_UP, END), simulated(&capacities));
    let deviation = 100.0 * (measured.mean / expected - 1.0);
    eprintln!("{series}{measured:.3?}, {deviation:+.1} % from {expected:.3}");
    // Only the mean is checked: the worst sample is a single moment, and differs with every run.
    assert!(
        deviation.abs() <= 100.0 * TOLERANCE,
        "the mean of max ÷ mean deviates by {deviation:+.1} % from the simulator"
    );
}

/// Returns for each client its arrival time, its balancer and its session length.
fn visits() -> impl Iterator<Item = Visit> + Send {
    let clients = Clients {
        rates: vec![(Time::after_origin(10 * END), RATE)],
        shares: vec![1.0 / BALANCERS as f64; BALANCERS],
        stays: SESSION_LENGTHS,
        travel: (Duration::from_millis(50), Duration::from_millis(200)),
        absent: 0.0,
        bit_rates: &[0],
        streams: 0,
    };
    let visits: Vec<Visit> = clients.visits(1, Time::after_origin(10 * END)).take(CLIENTS as usize).collect();
    visits.into_iter()
}

/// Returns the mean that the simulator predicts for the same visits.
fn simulated(capacities: &[u64]) -> f64 {
    let replay =
        Replay { capacities, balancers: BALANCERS, interval: INTERVAL, from: WARM_UP, to: END, mean: Mean::OverEdges };
    let means = (0..SIMULATIONS).map(|seed| {
        let Imbalance { mean, worst: _ } = replay.run(visits(), seed);
        mean
    });
    means.sum::<f64>() / SIMULATIONS as f64
}

/// Runs balancers, agents and clients. The programs end with this function, so that their output is shown only if a
/// client is not served.
fn spread_the_crowd(capacities: &[u64]) -> Series {
    // On the thread of the test, because a program ends with the thread that started it.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let edges = runtime.block_on(async { SimulatedEdges::start(EDGES) });
    let balancers = balancers_with_the_same_key();
    let _agents: Vec<Agent> =
        edges.iter().zip(capacities).map(|(edge, capacity)| agent(edge, *capacity, &balancers)).collect();
    for balancer in &balancers {
        balancer.await_running(EDGES);
    }
    runtime.block_on(measure(&edges, capacities, &balancers))
}

/// Starts the crowd and samples the edges until all clients have arrived.
async fn measure(edges: &SimulatedEdges, capacities: &[u64], balancers: &[Balancer]) -> Series {
    let addresses: Vec<_> = balancers.iter().map(|balancer| balancer.clients).collect();
    let crowd = Crowd::set_off(visits(), &addresses);
    let (start, mut series) = (Instant::now(), Series::of(capacities));
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while crowd.tally().total() < CLIENTS {
        ticks.tick().await;
        series.add(start.elapsed(), edges.sessions());
        assert!(start.elapsed() < END + 2 * PATIENCE, "not all clients have arrived\n{}{series}", crowd.tally());
    }
    let tally = crowd.tally();
    assert_eq!(tally.served, CLIENTS, "not all clients were served\n{tally}{series}");
    let arrived: u64 = edges.iter().map(SimulatedEdge::arrived).sum();
    assert_eq!(arrived, u64::from(CLIENTS), "the edges counted a different number\n{tally}{series}");
    assert!(series.peak_sessions() >= 4000, "too few concurrent sessions for a meaningful result\n{tally}{series}");
    eprint!("{tally}");
    series
}

/// Starts the balancers with one key: each would otherwise create its own at its first start.
fn balancers_with_the_same_key() -> Vec<Balancer> {
    let first = Balancer::start();
    let others = (1..BALANCERS).map(|_| {
        let state = folder();
        fs::copy(first.key_file(), state.path().join("key")).expect("copy the key, with its mode");
        Balancer::start_in(state, None)
    });
    let others: Vec<_> = others.collect();
    [first].into_iter().chain(others).collect()
}

/// Starts an edge's agent, which reports the connections counted by the kernel to every balancer at the default
/// interval.
fn agent(edge: &SimulatedEdge, capacity: u64, balancers: &[Balancer]) -> Agent {
    let builder = AgentBuilder::of(&balancers[0]).address(edge.host()).interval(&format!("{}ms", INTERVAL.as_millis()));
    let builder = balancers[1..].iter().fold(builder, |builder, other| builder.target(other.reports));
    let builder = builder.max_connections(capacity);
    builder.endpoint("http", edge.address.port()).port(edge.address.port()).start()
}
