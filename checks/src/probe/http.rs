//! HTTP/1.1 GET requests.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Empty};
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, client};
use hyper_util::rt::TokioIo;

use super::authority;
use super::connection::Connection;
use crate::Failure;
use crate::check::ProbeRequest;
use crate::search::Search;

/// Maximum length of a response head, in bytes. Typical heads have a few hundred, or some thousands with cookies.
const MAX_HEAD: usize = 65_536;

/// Sends the request, and reads the response as far as the check needs it.
pub(super) async fn get(
    connection: Connection,
    target: SocketAddr,
    is_secure: bool,
    expected: &ProbeRequest,
) -> Result<(), Failure> {
    let host = authority(expected.host.as_deref(), target, if is_secure { 443 } else { 80 });
    let request = Request::get(expected.path.as_deref().unwrap_or("/"))
        .header(HOST, host)
        .header(USER_AGENT, "weir")
        .header(CONNECTION, "close")
        .body(Empty::<&[u8]>::new())
        // Path and host were validated when the configuration was read: this does not fail.
        .map_err(|error| Failure::Local(error.to_string()))?;
    let mut http = client::conn::http1::Builder::new();
    let io = TokioIo::new(connection.into_inner());
    let (mut sender, connection) = http.max_buf_size(MAX_HEAD).handshake(io).await.map_err(failure)?;
    let exchange = async {
        let mut response = sender.send_request(request).await.map_err(failure)?;
        let code = response.status().as_u16();
        if !expected.codes.contain(code) {
            return Err(Failure::Status(code));
        }
        let Some(text) = &expected.receive else { return Ok(()) };
        let mut search = Search::new(text);
        while !search.is_over() {
            let Some(frame) = response.frame().await else { break };
            if let Some(data) = frame.map_err(failure)?.data_ref()
                && search.push(data)
            {
                return Ok(());
            }
        }
        Err(Failure::Content)
    };
    // The connection must be driven while the exchange waits for it. The exchange gets the connection's errors as well.
    let driven = async {
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        outcome = exchange => outcome,
        never = driven => match never {},
    }
}

/// Converts an error of hyper.
#[expect(clippy::needless_pass_by_value, reason = "the signature that `map_err` requires")]
fn failure(error: hyper::Error) -> Failure {
    // A server that sends data first makes hyper cancel the request: the cause is what the server sent.
    let cause = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    let relevant = if error.is_canceled() { cause } else { Some(&error) };
    match relevant {
        None => Failure::Closed,
        Some(error) if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => Failure::Closed,
        Some(error) if error.is_parse() || cause.is_some() => Failure::Malformed("HTTP"),
        Some(error) => match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(cause) => io::Error::from(cause.kind()).into(),
            None => Failure::Connect(error.to_string()),
        },
    }
}
