//! Clients, some at a time.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Connection, Exchange, LONGEST_ANSWER, Progress};
use crate::program::Program;

/// Clients at a time: so many that the server need not wait for the next while one thread plays them all.
const WINDOW: usize = 32;
/// Clients that find the server at a standstill; their connections fit into every server's backlog.
const CROWD: usize = 500;
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

/// Plays `requests` clients, some at a time.
///
/// One thread with blocking sockets is enough: it turns to the client that has waited longest, whose answer is there by
/// then. But a connection costs a client more than a server, so that with a connection for each request a server often
/// waits for the next.
pub(in crate::fronts) fn drive(exchange: Exchange, server: SocketAddr, requests: u32) -> Driven {
    let mut clients = Clients::new(exchange, server, requests);
    while clients.go_on() {
        if clients.waiting.len() < WINDOW && clients.to_begin > 0 {
            clients.begin();
        } else {
            clients.advance();
        }
    }
    clients.driven()
}

/// Plays `requests` clients in crowds: the server is stopped while they come, and then finds the requests of all, as one
/// does that cannot keep up. It has no need to wait for anything.
///
/// # Errors
/// When the server cannot be stopped.
pub(in crate::fronts) fn drive_crowds(
    exchange: Exchange,
    server: SocketAddr,
    program: &Program,
    requests: u32,
) -> io::Result<Driven> {
    let mut clients = Clients::new(exchange, server, requests);
    while clients.go_on() {
        program.suspend()?;
        while clients.waiting.len() < CROWD && clients.to_begin > 0 {
            clients.begin();
        }
        program.resume()?;
        while !clients.waiting.is_empty() {
            clients.advance();
        }
    }
    Ok(clients.driven())
}

struct Clients {
    exchange: Exchange,
    server: SocketAddr,
    turns: Vec<Vec<u8>>,
    buffer: Vec<u8>,
    /// Those that wait for an answer.
    waiting: VecDeque<Connection>,
    /// Requests that were not begun yet.
    to_begin: u32,
    driven: Driven,
    start: Instant,
}

impl Clients {
    fn new(exchange: Exchange, server: SocketAddr, requests: u32) -> Self {
        Self {
            exchange,
            server,
            turns: exchange.turns(),
            buffer: vec![0; LONGEST_ANSWER],
            waiting: VecDeque::new(),
            to_begin: requests,
            driven: Driven::default(),
            start: Instant::now(),
        }
    }

    fn go_on(&self) -> bool {
        self.driven.failed < MOST_FAILURES && (self.to_begin > 0 || !self.waiting.is_empty())
    }

    /// Lets another client begin.
    fn begin(&mut self) {
        self.to_begin -= 1;
        self.exchange.vary(&mut self.turns, self.to_begin);
        match Connection::open(self.server, &self.turns) {
            Ok(client) => self.waiting.push_back(client),
            Err(error) => self.driven.fail(&error),
        }
    }

    /// Hears the answer of the client that has waited longest.
    fn advance(&mut self) {
        let Some(client) = self.waiting.pop_front() else { return };
        match self.advanced(client) {
            Ok(client) => self.waiting.extend(client),
            Err(error) => self.driven.fail(&error),
        }
    }

    /// The client, if it waits for another answer.
    fn advanced(&mut self, mut client: Connection) -> io::Result<Option<Connection>> {
        let (progress, _) = client.advance(self.exchange, &self.turns, &mut self.buffer)?;
        if progress == Progress::More {
            return Ok(Some(client));
        }
        self.driven.answered += 1;
        if self.exchange != Exchange::HttpKeepAlive || self.to_begin == 0 {
            return Ok(None);
        }
        self.to_begin -= 1;
        client.ask_again(&self.turns)?;
        Ok(Some(client))
    }

    fn driven(self) -> Driven {
        Driven { elapsed: self.start.elapsed(), ..self.driven }
    }
}

impl Driven {
    fn fail(&mut self, error: &io::Error) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.to_string());
    }
}
