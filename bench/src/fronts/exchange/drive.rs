//! Concurrent clients.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Connection, Exchange, MAX_RESPONSE, Progress};
use crate::program::Program;

/// Concurrent clients: enough that the server need not wait for the next one while a single thread plays all.
const CONCURRENCY: usize = 32;
/// Clients that arrive while the server is stopped. Their connections fit into the backlog of every server.
const CROWD: usize = 500;
/// The number of failures after which the run is aborted.
const MAX_FAILURES: u32 = 10;

/// The outcome of a run.
#[derive(Debug, Default)]
pub(in crate::fronts) struct Tally {
    /// Exchanges that succeeded.
    pub(in crate::fronts) answered: u32,
    /// Exchanges that failed.
    pub(in crate::fronts) failed: u32,
    /// The error of the first of those.
    pub(in crate::fronts) failure: Option<String>,
    pub(in crate::fronts) elapsed: Duration,
}

/// Runs `requests` exchanges with a limited number of concurrent clients.
///
/// One thread with blocking sockets is enough: it serves the client that has waited longest, whose response has arrived
/// by then. But a connection costs a client more than a server, so that with one connection per request a server often
/// waits for the next client.
pub(in crate::fronts) fn drive(exchange: Exchange, server: SocketAddr, requests: u32) -> Tally {
    let mut clients = Clients::new(exchange, server, requests);
    while clients.has_more() {
        if clients.waiting.len() < CONCURRENCY && clients.to_start > 0 {
            clients.start();
        } else {
            clients.advance();
        }
    }
    clients.into_tally()
}

/// Runs `requests` exchanges in crowds: the server is stopped while clients arrive, and then finds the requests of all,
/// as a server does that cannot keep up. It never waits.
///
/// # Errors
/// When the server cannot be stopped.
pub(in crate::fronts) fn drive_crowds(
    exchange: Exchange,
    server: SocketAddr,
    program: &Program,
    requests: u32,
) -> io::Result<Tally> {
    let mut clients = Clients::new(exchange, server, requests);
    while clients.has_more() {
        program.suspend()?;
        while clients.waiting.len() < CROWD && clients.to_start > 0 {
            clients.start();
        }
        program.resume()?;
        while !clients.waiting.is_empty() {
            clients.advance();
        }
    }
    Ok(clients.into_tally())
}

struct Clients {
    exchange: Exchange,
    server: SocketAddr,
    turns: Vec<Vec<u8>>,
    buffer: Vec<u8>,
    /// The clients that wait for a response.
    waiting: VecDeque<Connection>,
    /// The number of exchanges that have not started yet.
    to_start: u32,
    tally: Tally,
    start: Instant,
}

impl Clients {
    fn new(exchange: Exchange, server: SocketAddr, requests: u32) -> Self {
        Self {
            exchange,
            server,
            turns: exchange.turns(),
            buffer: vec![0; MAX_RESPONSE],
            waiting: VecDeque::new(),
            to_start: requests,
            tally: Tally::default(),
            start: Instant::now(),
        }
    }

    fn has_more(&self) -> bool {
        self.tally.failed < MAX_FAILURES && (self.to_start > 0 || !self.waiting.is_empty())
    }

    /// Starts another client.
    fn start(&mut self) {
        self.to_start -= 1;
        self.exchange.vary(&mut self.turns, self.to_start);
        match Connection::open(self.server, &self.turns) {
            Ok(client) => self.waiting.push_back(client),
            Err(error) => self.tally.fail(&error),
        }
    }

    /// Receives the response of the client that has waited longest.
    fn advance(&mut self) {
        let Some(client) = self.waiting.pop_front() else { return };
        match self.receive(client) {
            Ok(client) => self.waiting.extend(client),
            Err(error) => self.tally.fail(&error),
        }
    }

    /// Receives a response. Returns the client if it waits for another one.
    fn receive(&mut self, mut client: Connection) -> io::Result<Option<Connection>> {
        let (progress, _) = client.advance(self.exchange, &self.turns, &mut self.buffer)?;
        if progress == Progress::More {
            return Ok(Some(client));
        }
        self.tally.answered += 1;
        if self.exchange != Exchange::HttpKeepAlive || self.to_start == 0 {
            return Ok(None);
        }
        self.to_start -= 1;
        client.restart(&self.turns)?;
        Ok(Some(client))
    }

    fn into_tally(self) -> Tally {
        Tally { elapsed: self.start.elapsed(), ..self.tally }
    }
}

impl Tally {
    fn fail(&mut self, error: &io::Error) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }
}
