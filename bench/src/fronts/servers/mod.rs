//! The servers that are compared. Each has one thread, on the server's core.
//!
//! | module        | contents                                                                 |
//! |---------------|--------------------------------------------------------------------------|
//! | [`weir`]      | the balancer with reporting edges, and its configurations                |
//! | [`nginx`]     | `return 200`, and the stream module                                      |
//! | [`haproxy`]   | `http-request return`, and `mode tcp` with splicing                      |
//! | [`bare_loop`] | a loop in C that only accepts, reads, writes and closes: the lower bound |

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

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) program: Program,
}

impl Server {
    /// Returns its processor time so far.
    ///
    /// # Errors
    /// When it has exited.
    pub(super) fn processor_time(&self) -> io::Result<Duration> {
        machine::processor_time(self.program.id()).map_err(|error| self.exited(&error))
    }

    /// Returns its memory.
    ///
    /// # Errors
    /// When it has exited.
    pub(super) fn memory(&self) -> io::Result<Memory> {
        machine::memory(self.program.id()).map_err(|error| self.exited(&error))
    }

    fn exited(&self, error: &io::Error) -> io::Error {
        io::Error::other(format!("{} has exited: {error}", self.name))
    }
}

/// Returns the body of a constant HTTP response.
fn fixed_body() -> String {
    format!("redirect={}", fleet::name(1))
}

/// Starts an HTTP server whose responses have `length` bytes, as Weir's. `start` starts it with the value of a header,
/// whose length is adjusted.
fn of_length(exchange: Exchange, length: usize, start: impl Fn(&str) -> io::Result<Server>) -> io::Result<Server> {
    let shortest = start("x")?;
    let [answer] = &probe(exchange, shortest.address)?[..] else { return Err(io::ErrorKind::InvalidData.into()) };
    let missing = length.saturating_sub(answer.len());
    drop(shortest);
    start(&"x".repeat(1 + missing))
}
