//! Memory of a relay per idle session.

use std::io;
use std::net::SocketAddr;

use tokio::runtime::Runtime;
use weir_program::say;

use super::client::{MESSAGE, Session};
use super::edge::Workload;
use super::run;
use crate::fronts::compare::{Figure, compare};
use crate::fronts::servers::{Server, haproxy, nginx, weir};
use crate::machine::{Cores, Memory};
use crate::outcome::Outcome;

/// Concurrent sessions.
const SESSIONS: u32 = 2000;

/// The bound: the memory of HAProxy.
const BOUND: f64 = 1.0;

pub(super) fn measure(
    runtime: &Runtime,
    cores: &Cores,
    edge: SocketAddr,
    has_weir: bool,
    rounds: usize,
) -> io::Result<Vec<Outcome>> {
    say(format_args!("\nrelay: memory of the process per idle session, of {SESSIONS}"));
    let names = [weir::NAME, haproxy::NAME, nginx::NAME].into_iter().skip(usize::from(!has_weir));
    let mut figures: Vec<_> = names.map(|name| (name, [Figure::of(name), Figure::of(name)])).collect();
    for _ in 0..rounds {
        for (name, [resident, anonymous]) in &mut figures {
            // Each round starts new relays, since a relay may keep memory that it has freed.
            let memory = match *name {
                weir::NAME => per_session(runtime, &weir::relaying(cores, edge)?.server)?,
                haproxy::NAME => per_session(runtime, &haproxy::relaying(cores, edge)?)?,
                _ => per_session(runtime, &nginx::relaying(cores, edge)?)?,
            };
            resident.rounds.push(memory.resident);
            anonymous.rounds.push(memory.anonymous);
        }
    }
    let mut outcomes = Vec::new();
    for (index, which) in ["resident", "anonymous"].into_iter().enumerate() {
        let name = format!("relay, memory, {which}");
        let (nginx, others): (Vec<Figure>, Vec<Figure>) =
            figures.iter().map(|(_, figures)| figures[index].clone()).partition(|figure| figure.of == nginx::NAME);
        outcomes.extend(compare(&name, "bytes", &others, BOUND));
        outcomes.extend(nginx.iter().map(|figure| figure.outcome(&name, "bytes")));
    }
    Ok(outcomes)
}

fn per_session(runtime: &Runtime, relay: &Server) -> io::Result<Memory> {
    let (before, after) = run(runtime, relay.name, async {
        // The first session loads the code.
        let mut sessions = vec![idle(relay.address).await?];
        let before = relay.memory()?;
        for _ in 0..SESSIONS {
            sessions.push(idle(relay.address).await?);
        }
        Ok((before, relay.memory()?))
    })?;
    let per_session = |before: f64, after: f64| (after - before) / f64::from(SESSIONS);
    Ok(Memory {
        resident: per_session(before.resident, after.resident),
        anonymous: per_session(before.anonymous, after.anonymous),
    })
}

/// Opens a session that is idle after one round trip.
async fn idle(relay: SocketAddr) -> io::Result<Session> {
    let mut session = Session::open(relay, Workload::Echo).await?;
    session.round_trip([7; MESSAGE]).await?;
    Ok(session)
}
