//! The servers that are compared. Each serves with one thread, on the servers' core.
//!
//! | module        | what it holds                                                              |
//! |---------------|----------------------------------------------------------------------------|
//! | [`weir`]      | the balancer, with its edges reporting; its configurations                  |
//! | [`nginx`]     | `return 200`, and the stream module                                         |
//! | [`haproxy`]   | `http-request return`, and `mode tcp` with splicing                         |
//! | [`bare_loop`] | a loop in C that does nothing but accept, read, write and close: the floor  |

pub(super) mod bare_loop;
pub(super) mod haproxy;
pub(super) mod nginx;
pub(super) mod weir;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::fronts::exchange::{Exchange, probe};
use crate::fronts::fleet;
use crate::machine::{self, Memory};
use crate::program::Program;

/// A server that runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) program: Program,
}

impl Server {
    /// Processor time that it has taken so far.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn processor_time(&self) -> io::Result<Duration> {
        machine::processor_time(self.program.id()).map_err(|error| self.ended(&error))
    }

    /// Memory that it holds now.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn memory(&self) -> io::Result<Memory> {
        machine::memory(self.program.id()).map_err(|error| self.ended(&error))
    }

    fn ended(&self, error: &io::Error) -> io::Error {
        io::Error::other(format!("{} has ended: {error}", self.name))
    }
}

/// The body of an HTTP answer that is the same every time.
fn fixed_body() -> String {
    format!("redirect={}", fleet::name(1))
}

/// Starts an HTTP server whose answers have `length` bytes, as Weir's: `start` starts it with a header's value, which is
/// made as long as it takes.
fn of_length(exchange: Exchange, length: usize, start: impl Fn(&str) -> io::Result<Server>) -> io::Result<Server> {
    let shortest = start("x")?;
    let [answer] = &probe(exchange, shortest.address)?[..] else { return Err(io::ErrorKind::InvalidData.into()) };
    let missing = length.saturating_sub(answer.len());
    drop(shortest);
    start(&"x".repeat(1 + missing))
}
