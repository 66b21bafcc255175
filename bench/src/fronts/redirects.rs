//! Processor time per redirect, compared with servers whose responses have the same length.

use std::io;
use std::thread;
use std::time::Duration;

use weir_program::say;

use crate::fronts::compare::{Figure, lowest};
use crate::fronts::exchange::{Exchange, Tally, drive, drive_crowds, probe};
use crate::fronts::rounds::Series;
use crate::fronts::servers::{Server, bare_loop, haproxy, nginx};
use crate::machine::Cores;
use crate::outcome::Outcome;

/// Redirects in a round (about half a second of a server's time), and before the first.
const REQUESTS: u32 = 20_000;
const REQUESTS_KEEP_ALIVE: u32 = 80_000;
const WARM_UP: u32 = 4_000;

/// The time in which a server closes the connections that its clients have closed.
const SETTLING: Duration = Duration::from_millis(20);

/// How clients arrive.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// A limited number of concurrent clients. The server often waits for the next one.
    Steady,
    /// More clients than the server can serve, so that it never waits. The cost of a redirect then determines its
    /// capacity.
    Crowds,
}

/// The measurements of one server.
struct Measurements<'s> {
    server: &'s Server,
    /// Microseconds per request.
    time: Figure,
    /// The share of its core that it used.
    busy: Series,
    failed: u32,
}

/// Measures one exchange with Weir and with the servers that it is compared with.
///
/// # Errors
/// When a server does not start, or exits.
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
        note_length(server, exchange, length)?;
        drive(exchange, server.address, WARM_UP);
    }
    let mut outcomes = Vec::new();
    for &pace in Pace::of(exchange) {
        let mut measured: Vec<Measurements<'_>> = [weir].into_iter().chain(&others).map(Measurements::new).collect();
        for _ in 0..rounds {
            for measurements in &mut measured {
                measurements.round(exchange, pace)?;
            }
        }
        outcomes.extend(compared(exchange, pace, &measured));
    }
    Ok(outcomes)
}

/// Prints a note when the responses of a server differ in length from Weir's.
fn note_length(server: &Server, exchange: Exchange, length: usize) -> io::Result<()> {
    let actual: usize = probe(exchange, server.address)?.iter().map(Vec::len).sum();
    if actual != length {
        say(format_args!("note: {} answers with {actual} bytes", server.name));
    }
    Ok(())
}

impl Pace {
    /// Returns the paces to measure. On open connections, clients are fast enough for any server.
    fn of(exchange: Exchange) -> &'static [Self] {
        if exchange == Exchange::HttpKeepAlive { &[Self::Steady] } else { &[Self::Steady, Self::Crowds] }
    }

    /// Returns the suffix of the exchange's name in results.
    fn suffix(self) -> &'static str {
        match self {
            Self::Steady => "",
            Self::Crowds => ", crowds",
        }
    }
}

impl<'s> Measurements<'s> {
    fn new(server: &'s Server) -> Self {
        Self { server, time: Figure::of(server.name), busy: Series::default(), failed: 0 }
    }

    fn round(&mut self, exchange: Exchange, pace: Pace) -> io::Result<()> {
        let requests = if exchange == Exchange::HttpKeepAlive { REQUESTS_KEEP_ALIVE } else { REQUESTS };
        let before = self.server.processor_time()?;
        let Tally { failed, failure, elapsed, .. } = match pace {
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

/// Returns the figures of all servers, and the ratios of Weir to the others. Weir comes first, and the bare loop last.
fn compared(exchange: Exchange, pace: Pace, measured: &[Measurements<'_>]) -> Vec<Outcome> {
    let name = &format!("{}{}", exchange.name(), pace.suffix());
    let mut outcomes = Vec::new();
    for Measurements { server, time, busy, failed } in measured {
        outcomes.push(time.outcome(name, "µs"));
        let name = format!("{name}, {}", server.name);
        outcomes.push(Outcome::silent(format!("{name}: share of a core"), busy.median(), "of 1", None));
        outcomes.push(Outcome::silent(format!("{name}: failed"), f64::from(*failed), "requests", Some(0.0)));
    }
    let times: Vec<Figure> = measured.iter().map(|measurements| measurements.time.clone()).collect();
    if let [weir, servers @ .., bare_loop] = &times[..] {
        let bounds = bounds(exchange, pace);
        outcomes.extend(lowest(servers).map(|server| weir.ratio(name, server, bounds.servers)));
        outcomes.push(weir.ratio(name, bare_loop, bounds.bare_loop));
    }
    outcomes
}

/// The bounds of Weir's time, as a multiple of that of other servers.
struct Bounds {
    /// Of the faster of nginx and HAProxy.
    servers: Option<f64>,
    bare_loop: Option<f64>,
}

/// The bound of the bare loop applies to a server that waits for its clients, as nearly every server does. In a crowd,
/// the distance to the loop, which then does nothing but system calls, is only shown.
fn bounds(exchange: Exchange, pace: Pace) -> Bounds {
    let (servers, bare_loop) = match exchange {
        Exchange::HttpClose => (Some(1.0), Some(1.15)),
        Exchange::HttpKeepAlive => (Some(1.0), None),
        Exchange::Rtsp => (None, Some(1.2)),
        Exchange::Rtmp => (None, Some(1.25)),
    };
    Bounds { servers, bare_loop: bare_loop.filter(|_| matches!(pace, Pace::Steady)) }
}
