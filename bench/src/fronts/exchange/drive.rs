//! Clients, some at a time.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Connection, Exchange, LONGEST_ANSWER, Progress};

/// Clients at a time: enough that the server always has something to do while one thread plays them all.
const WINDOW: usize = 32;
/// After so many failures the rest is not worth waiting for.
const MOST_FAILURES: u32 = 10;

/// How it went.
#[derive(Debug, Default)]
pub(in crate::fronts) struct Driven {
    /// Exchanges that ended as they should.
    pub(in crate::fronts) answered: u32,
    /// Others.
    pub(in crate::fronts) failed: u32,
    /// What was wrong with the first of those.
    pub(in crate::fronts) failure: Option<String>,
    pub(in crate::fronts) elapsed: Duration,
}

/// Plays `requests` clients.
///
/// One thread with blocking sockets is enough: it turns to the client that has waited longest, whose answer is there by
/// then.
pub(in crate::fronts) fn drive(exchange: Exchange, server: SocketAddr, requests: u32) -> Driven {
    let turns = exchange.turns();
    let mut buffer = vec![0; LONGEST_ANSWER];
    let mut clients: VecDeque<Connection> = VecDeque::with_capacity(WINDOW);
    let mut driven = Driven::default();
    let mut begun = 0;
    let start = Instant::now();
    while driven.answered + driven.failed < requests && driven.failed < MOST_FAILURES {
        let outcome = if clients.len() < WINDOW && begun < requests {
            begun += 1;
            Connection::open(server, &turns).map(Some)
        } else {
            let Some(client) = clients.pop_front() else { break };
            advance(client, exchange, &turns, &mut buffer, &mut driven, begun < requests)
                .inspect(|again| begun += u32::from(exchange == Exchange::HttpKeepAlive && again.is_some()))
        };
        match outcome {
            Ok(client) => clients.extend(client),
            Err(error) => driven.fail(&error),
        }
    }
    driven.elapsed = start.elapsed();
    driven
}

/// The client, if it is still waiting for something.
fn advance(
    mut client: Connection,
    exchange: Exchange,
    turns: &[Vec<u8>],
    buffer: &mut [u8],
    driven: &mut Driven,
    more: bool,
) -> io::Result<Option<Connection>> {
    let (progress, _) = client.advance(exchange, turns, buffer)?;
    if progress == Progress::More {
        return Ok(Some(client));
    }
    driven.answered += 1;
    if exchange != Exchange::HttpKeepAlive || !more {
        return Ok(None);
    }
    client.ask_again(turns)?;
    Ok(Some(client))
}

impl Driven {
    fn fail(&mut self, error: &io::Error) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }
}
