//! Memory that a relay takes for a session on which nothing happens.

use std::io;
use std::net::SocketAddr;

use tokio::runtime::Runtime;
use weir_program::say;

use super::client::{MESSAGE, Session};
use super::edge::Wish;
use super::{run, weir_if_it_can};
use crate::fronts::compare::{Figure, compare};
use crate::fronts::machine::Cores;
use crate::fronts::machine::Memory;
use crate::fronts::servers::{Server, haproxy, nginx, weir};
use crate::outcome::Outcome;

/// Sessions that are open at a time.
const SESSIONS: u32 = 2000;

/// What is to be reached: what HAProxy takes.
const BOUND: f64 = 1.0;

pub(super) fn measure(runtime: &Runtime, cores: &Cores, edge: SocketAddr, rounds: usize) -> io::Result<Vec<Outcome>> {
    say(format_args!("\nrelay: memory of the process per idle session, of {SESSIONS}"));
    let figures = || [weir::NAME, haproxy::NAME, nginx::NAME].map(Figure::of);
    let (mut resident, mut anonymous) = (figures(), figures());
    for _ in 0..rounds {
        // Fresh ones: what a relay once had it may keep.
        for (index, name) in [weir::NAME, haproxy::NAME, nginx::NAME].into_iter().enumerate() {
            let measured = match name {
                weir::NAME => match weir_if_it_can(cores, edge)? {
                    Some(balancer) => per_session(runtime, &balancer.server)?,
                    None => continue,
                },
                haproxy::NAME => per_session(runtime, &haproxy::relaying(cores, edge)?)?,
                _ => per_session(runtime, &nginx::relaying(cores, edge)?)?,
            };
            resident[index].rounds.push(measured.resident);
            anonymous[index].rounds.push(measured.anonymous);
        }
    }
    let mut outcomes = Vec::new();
    for (name, [weir, haproxy, nginx]) in [("memory, resident", resident), ("memory, anonymous", anonymous)] {
        let name = format!("relay, {name}");
        outcomes.push(nginx.outcome(&name, "bytes"));
        outcomes.extend(compare(&name, "bytes", &[weir, haproxy], BOUND));
    }
    Ok(outcomes)
}

fn per_session(runtime: &Runtime, relay: &Server) -> io::Result<Memory> {
    let (before, after) = run(runtime, relay.name, async {
        // The first one brings in the code.
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

/// A session on which a message went to and fro, and now nothing does.
async fn idle(relay: SocketAddr) -> io::Result<Session> {
    let mut session = Session::open(relay, Wish::Echo).await?;
    session.round_trip([7; MESSAGE]).await?;
    Ok(session)
}
