//! Converts hyper's requests to ours, and our responses to hyper's.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::http::uri::Authority;
use hyper::{Request as HyperRequest, Response as HyperResponse, StatusCode};
use tokio::time::timeout;
use weir_fleet::Protocol;

use crate::client::Client;
use crate::front::Front;
use crate::http::request::{Headers, Request};
use crate::http::response::Response;
use crate::http::route::{needs_body, respond};

/// Responds to a request whose head hyper has read.
pub(super) async fn respond_to_hyper<B>(
    front: &Front,
    client: Client,
    request: HyperRequest<B>,
) -> HyperResponse<Full<Bytes>>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let uri = &head.uri;
    let body = if needs_body(head.method.as_str(), uri.path()) {
        match read(front, body).await {
            Ok(body) => body,
            Err((status, text)) => return Response::text(status, text).into_hyper(),
        }
    } else {
        Bytes::new()
    };
    let mut headers = Headers::default();
    for (name, value) in &head.headers {
        headers.record(name.as_str(), value.as_bytes());
    }
    // An absolute target takes precedence over the Host header (RFC 9112 section 3.2.2); HTTP/2 has no Host header.
    headers.host = uri.authority().map(Authority::as_str).or(headers.host);
    match Request::new(head.method.as_str(), uri.path(), uri.query(), headers) {
        Some(request) => respond(front, client, &Request { body: &body, ..request }).into_hyper(),
        None => {
            front.metrics().reject_client(Protocol::Http.name(), "bad-request");
            let text = "The request target contains characters that are not allowed in a URL.\n";
            Response::text(StatusCode::BAD_REQUEST, text).into_hyper()
        }
    }
}

/// Reads a body within the limits.
///
/// # Errors
/// The status and text of the response.
async fn read<B>(front: &Front, body: B) -> Result<Bytes, (StatusCode, String)>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let limits = front.limits();
    let rejected = |reason, status, text: String| {
        front.metrics().reject_client(Protocol::Http.name(), reason);
        Err((status, text))
    };
    match timeout(limits.decision_timeout, Limited::new(body, limits.http.body).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("The request body is longer than {} bytes.\n", limits.http.body);
            rejected("body-too-long", StatusCode::PAYLOAD_TOO_LARGE, text)
        }
        // The client has gone, or sent an invalid body.
        Ok(Err(_)) => rejected("body", StatusCode::BAD_REQUEST, "The request body is invalid.\n".to_owned()),
        Err(_) => rejected("timeout", StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time.\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use weir_fleet::testing::report;
    use weir_protocol::{Host, Report};

    use super::*;
    use crate::fixtures::{CLIENT, front};
    use crate::http::response::Framing;
    use crate::settings::ServerInfo;

    const HOST: &str = "lb.example.com:1935";
    const ORIGIN: &str = "https://site.example";

    /// The bytes that hyper sends in response to one request, after which the client closes its direction.
    fn through_hyper(front: &Front, head: &str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(1 << 16);
            client.write_all(head.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let serve = service_fn(async |request| Ok::<_, Infallible>(respond_to_hyper(front, CLIENT, request).await));
            let served = http1::Builder::new()
                .title_case_headers(true)
                .half_close(true)
                .serve_connection(TokioIo::new(server), serve)
                .await;
            served.unwrap();
            let mut sent = String::new();
            client.read_to_string(&mut sent).await.unwrap();
            sent
        })
    }

    fn directly(front: &Front, method: &str, target: &str, framing: Framing<'_>) -> String {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers = Headers { host: Some(HOST), origin: Some(ORIGIN), ..Headers::default() };
        let request = Request::new(method, path, query, headers).unwrap();
        let mut sent = Vec::new();
        respond(front, CLIENT, &request).write(Framing { is_head: request.is_head(), ..framing }, &mut sent);
        String::from_utf8(sent).unwrap()
    }

    #[test]
    fn a_response_has_the_same_bytes_with_and_without_hyper() {
        let mut named: Report<'_> = report();
        named.redirect = Host::new("edge1").ok();
        for front in [front(&[named], ServerInfo::Private), front(&[], ServerInfo::Private)] {
            let targets = [
                "/loadbalancer",
                "/loadbalancer?12345",
                "/crossdomain.xml",
                "/redirect/live/a%20b/index.m3u8?token=x%2Fy",
                "/redirect/live",
                "/redirect/live/a?type=m3u8",
                "/steering/hls?_HLS_pathway=.",
                "/steering/dash",
                "/smil:live/a.smil",
                "/api/v1/pick?app=live",
                "/api/v1/pick?protocol=srt",
                "/nowhere",
            ];
            let methods = ["GET", "HEAD", "POST", "OPTIONS", "PATCH"];
            let connections =
                [(1, "close", false), (1, "keep-alive", true), (0, "close", false), (0, "keep-alive", true)];
            for ((target, method), (minor, connection, keep_alive)) in targets
                .into_iter()
                .flat_map(|target| methods.map(|method| (target, method)))
                .flat_map(|request| connections.map(|connection| (request, connection)))
            {
                let head = format!(
                    "{method} {target} HTTP/1.{minor}\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\nConnection: {connection}\r\n\r\n"
                );
                let hyper = through_hyper(&front, &head);
                let date = hyper.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap();
                let framing = Framing { is_http10: minor == 0, keep_alive, is_head: false, date };
                assert_eq!(directly(&front, method, target, framing), hyper, "{head}");
            }
        }
    }

    #[test]
    fn a_redirect_allocates_nothing() {
        let front = front(&[report()], ServerInfo::Private);
        let mut sent = Vec::with_capacity(4096);
        let headers = Headers { host: Some(HOST), origin: Some(ORIGIN), ..Headers::default() };
        let mut send = |path| {
            sent.clear();
            let request = Request::new("GET", path, Some("x=1"), headers).unwrap();
            let framing = Framing { is_http10: false, keep_alive: true, is_head: false, date: "" };
            respond(&front, CLIENT, &request).write(framing, &mut sent);
        };
        for path in ["/loadbalancer", "/redirect/live/a/index.m3u8"] {
            // Thread-local caches are filled first.
            send(path);
            assert_eq!(allocation_counter::measure(|| send(path)).count_total, 0, "{path}");
        }
    }
}
