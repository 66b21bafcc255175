//! Three balancers that do not talk to each other spread 20,000 clients over 30 unequal edges as evenly as the simulator
//! says they do.

#![allow(clippy::expect_used, reason = "helpers of tests are test code, too")]

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

/// Sessions that an edge of the least capacity can carry, and how many times that the others can, in turn. All together
/// carry a half more than the crowd: what full edges do is another test's question.
const UNIT: u64 = 70;
const CAPACITIES: [u64; 5] = [1, 1, 2, 4, 10];

const CLIENTS: u32 = 20_000;
/// In a second. With stays of 11 s on average 5,000 clients are there at a time.
const RATE: f64 = 500.0;
const STAYS: &[(f64, Duration)] = &[(0.5, Duration::from_secs(4)), (0.5, Duration::from_secs(18))];

/// Both ends of each session are in this process: two for each of the 5,500 at most, and some for those on their way.
const OPEN_FILES: u64 = 14_000;

/// The first round of reports, and until the edges hold so many that one more is a small share.
const WARM_UP: Duration = Duration::from_secs(10);
/// Until when it is measured: the last client comes about then.
const END: Duration = Duration::from_secs(40);
const SAMPLE: Duration = Duration::from_millis(100);

/// The default of the agents.
const INTERVAL: Duration = Duration::from_millis(2500);
/// By which share the mean may miss what the simulator says.
const TOLERANCE: f64 = 0.03;
/// How many times it is asked, each with another luck.
const SIMULATIONS: u64 = 10;

#[test]
fn three_balancers_spread_20_000_clients_over_30_edges_as_the_simulator_says() {
    open_files::allow(OPEN_FILES);
    let capacities: Vec<u64> = CAPACITIES.iter().cycle().take(EDGES).map(|times| times * UNIT).collect();
    let series = spread_the_crowd(&capacities);
    let (measured, expected) = (series.imbalance(WARM_UP, END), simulated(&capacities));
    let deviation = 100.0 * (measured.mean / expected - 1.0);
    eprintln!("{series}{measured:.3?}, {deviation:+.1} % from {expected:.3}");
    // The worst sample is that of one moment, and differs with every run.
    assert!(deviation.abs() <= 100.0 * TOLERANCE, "the mean of max ÷ mean is {deviation:+.1} % from what is expected");
}

/// Who comes when, asks which balancer, and stays for how long.
fn visits() -> impl Iterator<Item = Visit> + Send {
    let clients = Clients {
        rates: vec![(Time::after_origin(10 * END), RATE)],
        shares: vec![1.0 / BALANCERS as f64; BALANCERS],
        stays: STAYS,
        travel: (Duration::from_millis(50), Duration::from_millis(200)),
        absent: 0.0,
        bit_rates: &[0],
        streams: 0,
    };
    let visits: Vec<Visit> = clients.visits(1, Time::after_origin(10 * END)).take(CLIENTS as usize).collect();
    visits.into_iter()
}

/// What the simulator says of the very same visits.
fn simulated(capacities: &[u64]) -> f64 {
    let replay =
        Replay { capacities, balancers: BALANCERS, interval: INTERVAL, from: WARM_UP, to: END, mean: Mean::OverEdges };
    let means = (0..SIMULATIONS).map(|seed| {
        let Imbalance { mean, worst: _ } = replay.run(visits(), seed);
        mean
    });
    means.sum::<f64>() / SIMULATIONS as f64
}

/// The programs end with this function: what they said tells why a client was not served, and nothing about balance.
fn spread_the_crowd(capacities: &[u64]) -> Series {
    // One thread, and that of the test: the programs that it starts end with it.
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let edges = runtime.block_on(async { SimulatedEdges::start(EDGES) });
    let balancers = balancers_with_one_key();
    let _agents: Vec<Agent> =
        edges.iter().zip(capacities).map(|(edge, capacity)| agent(edge, *capacity, &balancers)).collect();
    for balancer in &balancers {
        balancer.await_running(EDGES);
    }
    runtime.block_on(measure(&edges, capacities, &balancers))
}

/// Sends the crowd, and looks at the edges until everyone has arrived.
async fn measure(edges: &SimulatedEdges, capacities: &[u64], balancers: &[Balancer]) -> Series {
    let addresses: Vec<_> = balancers.iter().map(|balancer| balancer.clients).collect();
    let crowd = Crowd::set_off(visits(), &addresses);
    let (start, mut series) = (Instant::now(), Series::of(capacities));
    let mut ticks = interval(SAMPLE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while crowd.tally().total() < CLIENTS {
        ticks.tick().await;
        series.add(start.elapsed(), edges.sessions());
        assert!(start.elapsed() < END + 2 * PATIENCE, "not everyone has arrived\n{}{series}", crowd.tally());
    }
    let tally = crowd.tally();
    assert_eq!(tally.served, CLIENTS, "not everyone was served\n{tally}{series}");
    let arrived: u64 = edges.iter().map(SimulatedEdge::arrived).sum();
    assert_eq!(arrived, u64::from(CLIENTS), "the edges counted others\n{tally}{series}");
    assert!(series.most_sessions() >= 4000, "too few at a time to show anything\n{tally}{series}");
    eprint!("{tally}");
    series
}

/// Each makes a key of its own at its first start unless it is given one.
fn balancers_with_one_key() -> Vec<Balancer> {
    let first = Balancer::start();
    let others = (1..BALANCERS).map(|_| {
        let state = folder();
        fs::copy(first.key_file(), state.path().join("key")).expect("copy the key, with its mode");
        Balancer::start_in(state, None)
    });
    let others: Vec<_> = others.collect();
    [first].into_iter().chain(others).collect()
}

/// An edge's agent, with the default interval, that reports to every balancer what the kernel counts.
fn agent(edge: &SimulatedEdge, capacity: u64, balancers: &[Balancer]) -> Agent {
    let builder = AgentBuilder::of(&balancers[0]).address(edge.host()).interval(&format!("{}ms", INTERVAL.as_millis()));
    let builder = balancers[1..].iter().fold(builder, |builder, other| builder.target(other.reports));
    let builder = builder.max_connections(capacity);
    builder.endpoint("http", edge.address.port()).port(edge.address.port()).start()
}
