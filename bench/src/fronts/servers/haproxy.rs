//! HAProxy: `http-request return`, and `mode tcp` with splicing.

use std::fs;
use std::io;
use std::net::SocketAddr;

use super::{Server, fixed_body, of_length};
use crate::fronts::exchange::Exchange;
use crate::machine::Cores;
use crate::program::{Program, empty_folder, installed, with_free_port};

/// The name in tables.
pub(in crate::fronts) const NAME: &str = "HAProxy";

/// Starts an HAProxy whose HTTP responses have `length` bytes.
///
/// # Errors
/// When it is not installed, or does not start.
pub(in crate::fronts) fn answering(cores: &Cores, exchange: Exchange, length: usize) -> io::Result<Server> {
    of_length(exchange, length, |padding| {
        start(cores, |address| {
            format!(
                "    mode http
    timeout http-request 10s
    timeout http-keep-alive 10s
frontend clients
    bind {address} backlog 4096
    http-request return status 200 content-type text/html string \"{}\" hdr Cache-Control no-store hdr Weir-Reason {padding}
",
                fixed_body()
            )
        })
    })
}

/// Starts an HAProxy that relays to `edge`.
///
/// # Errors
/// As [`answering`].
pub(in crate::fronts) fn relaying(cores: &Cores, edge: SocketAddr) -> io::Result<Server> {
    // Not `splice-auto`, which copies streams that arrive in pieces, and takes twice the time for them.
    start(cores, |address| {
        format!(
            "    mode tcp
    option splice-request
    option splice-response
    timeout connect 5s
listen clients
    bind {address} backlog 4096
    server edge {edge}
"
        )
    })
}

fn start(cores: &Cores, rest: impl Fn(SocketAddr) -> String) -> io::Result<Server> {
    let folder = empty_folder("fronts/haproxy")?;
    let program = installed("haproxy", "haproxy")?;
    let (program, address) = with_free_port(|address| {
        let configuration = format!(
            "global
    nbthread 1
    maxconn 4096
defaults
    timeout client 1m
    timeout server 1m
{}",
            rest(address)
        );
        let file = folder.join("haproxy.cfg");
        fs::write(&file, configuration)?;
        // In the foreground.
        Program::start(Some(cores), &folder, &program, ["-db".as_ref(), "-f".as_ref(), file.as_os_str()])
    })?;
    Ok(Server { name: NAME, address, program })
}
