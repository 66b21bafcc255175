//! Processor time of a relay per GiB that an edge sends.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::sleep;
use weir_program::say;

use super::client::Session;
use super::edge::{BLOCK, Workload};
use super::{Relays, run};
use crate::fronts::compare::{Figure, compare};
use crate::outcome::Outcome;

const GIB: f64 = (1_u64 << 30) as f64;

/// How an edge sends.
struct Shape {
    name: &'static str,
    connections: u32,
    /// Blocks on each connection.
    blocks: u32,
    /// The time between two blocks on a connection. Zero sends as fast as possible.
    period: Duration,
}

/// Media streams arrive in pieces, here half a GiB per second in total: far less than a core can relay, so that a relay
/// has to wait for most pieces. In bulk it never waits.
const SHAPES: [Shape; 3] = [
    Shape { name: "8 streams", connections: 8, blocks: 2048, period: Duration::from_millis(1) },
    Shape { name: "64 streams", connections: 64, blocks: 256, period: Duration::from_millis(8) },
    Shape { name: "8 in bulk", connections: 8, blocks: 8192, period: Duration::ZERO },
];

/// The time in which a relay closes its sessions.
const SETTLING: Duration = Duration::from_millis(20);

/// The bound: the time of the better of the other relays.
const BOUND: f64 = 1.0;

pub(super) fn measure(runtime: &Runtime, relays: &Relays, rounds: usize) -> io::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for shape in &SHAPES {
        say(format_args!("\nrelay, {}: processor time of the relay per GiB", shape.name));
        let mut figures: Vec<_> = relays.all().into_iter().map(|relay| (relay, Figure::of(relay.name))).collect();
        let mut rates = figures.clone();
        for _ in 0..rounds {
            for ((relay, figure), (_, rate)) in figures.iter_mut().zip(&mut rates) {
                let (before, start) = (relay.processor_time()?, Instant::now());
                run(runtime, relay.name, shape.send(relay.address))?;
                let elapsed = start.elapsed().as_secs_f64();
                thread::park_timeout(SETTLING);
                let time = (relay.processor_time()? - before).as_secs_f64();
                figure.rounds.push(time / shape.gib());
                rate.rounds.push(shape.gib() / elapsed);
            }
        }
        let name = format!("relay, {}", shape.name);
        let figures: Vec<Figure> = figures.into_iter().map(|(_, figure)| figure).collect();
        outcomes.extend(compare(&name, "s/GiB", &figures, BOUND));
        outcomes.extend(rates.iter().map(|(relay, rate)| {
            Outcome::silent(format!("{name}, {}: speed", relay.name), rate.rounds.median(), "GiB/s", None)
        }));
    }
    Ok(outcomes)
}

impl Shape {
    fn gib(&self) -> f64 {
        f64::from(self.connections) * f64::from(self.blocks) * BLOCK as f64 / GIB
    }

    /// Lets an edge send all blocks to the clients.
    async fn send(&self, server: SocketAddr) -> io::Result<()> {
        let mut sessions = JoinSet::new();
        let Self { connections, blocks: count, period, .. } = *self;
        for number in 0..connections {
            // Streams are independent: they start spread over the period.
            let wait = period * number / connections;
            sessions.spawn(async move {
                if !period.is_zero() {
                    sleep(wait).await;
                }
                Session::open(server, Workload::Blocks { count, period }).await?.receive_blocks(count).await
            });
        }
        while let Some(ended) = sessions.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        Ok(())
    }
}
