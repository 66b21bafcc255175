//! Processor time per redirect, beside servers that answer with as many bytes.

use std::io;
use std::thread;
use std::time::Duration;

use weir_program::say;

use crate::fronts::compare::{Figure, better};
use crate::fronts::exchange::{Driven, Exchange, drive, drive_crowds, probe};
use crate::fronts::rounds::Series;
use crate::fronts::servers::{Server, bare_loop, haproxy, nginx};
use crate::machine::Cores;
use crate::outcome::Outcome;

/// Redirects in a round, and before the first: half a second of a server's time each.
const REQUESTS: u32 = 20_000;
const KEPT_ALIVE: u32 = 80_000;
const WARM_UP: u32 = 4_000;

/// How long a server is given to close what its clients have closed.
const SETTLING: Duration = Duration::from_millis(20);

/// How clients come.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// Some at a time. The server is done before the next comes, and waits for it.
    Steady,
    /// More than the server can serve: it never waits. What a redirect costs then says how many it can serve.
    Crowds,
}

/// What one server took in each round.
struct Contender<'s> {
    server: &'s Server,
    /// Microseconds per request.
    time: Figure,
    /// How much of its core it used.
    busy: Series,
    failed: u32,
}

/// Measures one exchange with Weir, and with those that it is compared with.
///
/// # Errors
/// When one of them does not start, or ends.
pub(super) fn measure(weir: &Server, exchange: Exchange, cores: &Cores, rounds: usize) -> io::Result<Vec<Outcome>> {
    let answers = probe(exchange, weir.address)?;
    let length = answers.iter().map(Vec::len).sum();
    say(format_args!("\n{} ({length} bytes):", exchange.title()));
    let mut others = Vec::new();
    if matches!(exchange, Exchange::HttpClose | Exchange::HttpKeepAlive) {
        others.push(nginx::answering(cores, exchange, length)?);
        others.push(haproxy::answering(cores, exchange, length)?);
    }
    others.push(bare_loop::answering(cores, exchange, &answers)?);
    for server in [weir].into_iter().chain(&others) {
        check_length(server, exchange, length)?;
        drive(exchange, server.address, WARM_UP);
    }
    let mut outcomes = Vec::new();
    for &pace in Pace::of(exchange) {
        let mut contenders: Vec<Contender<'_>> = [weir].into_iter().chain(&others).map(Contender::new).collect();
        for _ in 0..rounds {
            for contender in &mut contenders {
                contender.round(exchange, pace)?;
            }
        }
        outcomes.extend(compared(exchange, pace, &contenders));
    }
    Ok(outcomes)
}

/// Says so where another server cannot be made to answer with as many bytes.
fn check_length(server: &Server, exchange: Exchange, length: usize) -> io::Result<()> {
    let own: usize = probe(exchange, server.address)?.iter().map(Vec::len).sum();
    if own != length {
        say(format_args!("note: {} answers with {own} bytes", server.name));
    }
    Ok(())
}

impl Pace {
    /// Those that are measured. On connections that are open already clients are fast enough for any server.
    fn of(exchange: Exchange) -> &'static [Self] {
        if exchange == Exchange::HttpKeepAlive { &[Self::Steady] } else { &[Self::Steady, Self::Crowds] }
    }

    /// What is behind the exchange's name in results.
    fn suffix(self) -> &'static str {
        match self {
            Self::Steady => "",
            Self::Crowds => ", crowds",
        }
    }
}

impl<'s> Contender<'s> {
    fn new(server: &'s Server) -> Self {
        Self { server, time: Figure::of(server.name), busy: Series::default(), failed: 0 }
    }

    fn round(&mut self, exchange: Exchange, pace: Pace) -> io::Result<()> {
        let requests = if exchange == Exchange::HttpKeepAlive { KEPT_ALIVE } else { REQUESTS };
        let before = self.server.processor_time()?;
        let Driven { failed, failure, elapsed, .. } = match pace {
            Pace::Steady => drive(exchange, self.server.address, requests),
            Pace::Crowds => drive_crowds(exchange, self.server.address, &self.server.program, requests)?,
        };
        thread::park_timeout(SETTLING);
        let time = (self.server.processor_time()? - before).as_secs_f64();
        if let Some(failure) = failure {
            say(format_args!("invalid: {}: at least {failed} of {requests} failed: {failure}", self.server.name));
        }
        self.failed += failed;
        self.time.rounds.push(if failed == 0 { time * 1e6 / f64::from(requests) } else { f64::NAN });
        self.busy.push(time / elapsed.as_secs_f64());
        Ok(())
    }
}

/// The figures of each, and how Weir compares: it comes first, and the bare loop last.
fn compared(exchange: Exchange, pace: Pace, contenders: &[Contender<'_>]) -> Vec<Outcome> {
    let name = &format!("{}{}", exchange.name(), pace.suffix());
    let mut outcomes = Vec::new();
    for Contender { server, time, busy, failed } in contenders {
        outcomes.push(time.outcome(name, "µs"));
        let name = format!("{name}, {}", server.name);
        outcomes.push(Outcome::in_table(format!("{name}: share of a core"), busy.median(), "of 1", None));
        outcomes.push(Outcome::in_table(format!("{name}: failed"), f64::from(*failed), "requests", Some(0.0)));
    }
    let times: Vec<Figure> = contenders.iter().map(|contender| contender.time.clone()).collect();
    if let [weir, servers @ .., bare_loop] = &times[..] {
        let bounds = bounds(exchange, pace);
        outcomes.extend(better(servers).map(|server| weir.ratio(name, server, bounds.servers)));
        outcomes.push(weir.ratio(name, bare_loop, bounds.bare_loop));
    }
    outcomes
}

/// What Weir's time is to be at most, as a multiple of that of others.
struct Bounds {
    /// Of the better of nginx and HAProxy.
    servers: Option<f64>,
    bare_loop: Option<f64>,
}

/// Those of the bare loop are for a server that waits for its clients, as nearly every one does: in a crowd it is shown how
/// far the loop is away, which then has nothing to do but system calls.
fn bounds(exchange: Exchange, pace: Pace) -> Bounds {
    let (servers, bare_loop) = match exchange {
        Exchange::HttpClose => (Some(1.0), Some(1.15)),
        Exchange::HttpKeepAlive => (Some(1.0), None),
        Exchange::Rtsp => (None, Some(1.2)),
        Exchange::Rtmp => (None, Some(1.25)),
    };
    Bounds { servers, bare_loop: bare_loop.filter(|_| matches!(pace, Pace::Steady)) }
}
