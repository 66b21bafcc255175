//! Latency that a relay adds to the round trip of a small message.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::runtime::Runtime;
use weir_program::say;

use super::client::{MESSAGE, Session};
use super::edge::Workload;
use super::{Relays, run};
use crate::fronts::compare::{Figure, compare};
use crate::fronts::rounds::Series;
use crate::outcome::Outcome;

/// Messages of a round, sent one after the other.
const ROUND_TRIPS: usize = 4000;
/// Messages before those, which are not counted.
const WARM_UP: usize = 400;

/// The bound: the latency that the better of the other relays adds.
const BOUND: f64 = 1.0;

pub(super) fn measure(runtime: &Runtime, relays: &Relays, edge: SocketAddr, rounds: usize) -> io::Result<Vec<Outcome>> {
    say(format_args!("\nrelay: latency added to the round trip of {MESSAGE} bytes, {ROUND_TRIPS} times"));
    let mut direct = [Series::default(), Series::default()];
    let mut through: Vec<_> =
        relays.all().into_iter().map(|relay| (relay, [Figure::of(relay.name), Figure::of(relay.name)])).collect();
    for _ in 0..rounds {
        let without = run(runtime, "no relay", round(edge))?;
        direct.iter_mut().zip(without).for_each(|(series, time)| series.push(time));
        for (relay, figures) in &mut through {
            let with = run(runtime, relay.name, round(relay.address))?;
            for ((figure, with), without) in figures.iter_mut().zip(with).zip(without) {
                figure.rounds.push(with - without);
            }
        }
    }
    let mut outcomes = Vec::new();
    for (index, which) in ["median", "p99"].into_iter().enumerate() {
        let name = format!("relay, added latency, {which}");
        let without = &direct[index];
        outcomes.push(Outcome::of_rounds(
            &format!("relay, no relay, {which}"),
            without.median(),
            without.spread(),
            "µs",
            None,
        ));
        let figures: Vec<Figure> = through.iter().map(|(_, figures)| figures[index].clone()).collect();
        outcomes.extend(compare(&name, "µs", &figures, BOUND));
    }
    Ok(outcomes)
}

/// Returns the median and the 99th percentile of the round trips, in microseconds.
async fn round(server: SocketAddr) -> io::Result<[f64; 2]> {
    let mut session = Session::open(server, Workload::Echo).await?;
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for number in 0..WARM_UP + ROUND_TRIPS {
        let mut message = [0; MESSAGE];
        message[..8].copy_from_slice(&number.to_be_bytes());
        let start = Instant::now();
        session.round_trip(message).await?;
        if number >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok([times[ROUND_TRIPS / 2], times[ROUND_TRIPS * 99 / 100]])
}
