//! A response without a connection, for callers that do the I/O themselves and for fuzzing.

use std::net::SocketAddr;

use crate::client::Client;
use crate::front::Front;
use crate::http::response::Framing;
use crate::http::route;
use crate::http::simple::Simple;
use crate::redirect::RedirectDefaults;

/// Responds to the request at the start of `bytes`, which must contain a complete head, as if a client at `address` had
/// sent it over plain HTTP to port 1935. Appends the response to `output`, and returns the length of the request in
/// bytes. `date` is the value of the `Date` header (RFC 9110 section 5.6.7).
///
/// Returns `None`, and appends nothing, for a request that is invalid or has a body.
pub fn respond(front: &Front, address: SocketAddr, bytes: &[u8], date: &str, output: &mut Vec<u8>) -> Option<usize> {
    let redirect_defaults = RedirectDefaults::default();
    let client = Client { address, listener_port: 1935, is_secure: false, redirect_defaults };
    let Simple { request, length, is_http10, keep_alive } = Simple::parse(bytes)?;
    let framing = Framing { is_http10, keep_alive, is_head: request.is_head(), date };
    route::respond(front, client, &request).write(framing, output);
    Some(length)
}
