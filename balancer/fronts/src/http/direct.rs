//! An answer without a connection: for those who carry the bytes themselves, and for the fuzzer.

use std::net::SocketAddr;

use crate::http::answer::Framing;
use crate::http::route::answer;
use crate::http::simple::Simple;
use crate::redirect::RedirectDefaults;
use crate::{Client, Front};

/// Answers the request at the beginning of `bytes`, which hold a whole head, as one of a client at `address` that came
/// over plain HTTP to port 1935. Appends the answer to `output`, and returns how many bytes the request has. `date` is
/// the time of day as in RFC 9110 section 5.6.7.
///
/// `None`, and nothing is appended, for a request that is more than a head, or none at all.
pub fn respond(front: &Front, address: SocketAddr, bytes: &[u8], date: &str, output: &mut Vec<u8>) -> Option<usize> {
    let client = Client { address, listener_port: 1935, is_secure: false, told: RedirectDefaults::default() };
    let Simple { request, length, is_old, keep_alive } = Simple::parse(bytes)?;
    let framing = Framing { is_old, keep_alive, is_head: request.is_head(), date };
    answer(front, client, &request).write(framing, output);
    Some(length)
}
