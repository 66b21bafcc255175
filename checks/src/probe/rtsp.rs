//! RTSP requests: OPTIONS (RFC 2326 section 10.1), or DESCRIBE (section 10.2) for a path.

use std::net::SocketAddr;

use super::authority;
use super::connection::Connection;
use crate::Failure;
use crate::check::ProbeRequest;
use crate::rtsp_response::{self, ResponseHead};
use crate::search::Search;

/// Sequence number of the only request (`CSeq`).
const SEQUENCE: u32 = 1;

/// Name of the protocol in failures.
const PROTOCOL: &str = "RTSP";

/// Sends the request, and reads the response as far as the check needs it.
pub(super) async fn request(
    mut connection: Connection,
    target: SocketAddr,
    is_secure: bool,
    request: &ProbeRequest,
) -> Result<(), Failure> {
    connection.write(encode(target, is_secure, request).as_bytes()).await?;
    let mut received = Vec::new();
    let ResponseHead { code, sequence, body, length } = loop {
        received.extend_from_slice(&connection.read().await?);
        if let Some(head) = rtsp_response::parse(&received).map_err(|_| Failure::Malformed(PROTOCOL))? {
            break head;
        }
    };
    // Some servers omit it in error responses.
    if sequence.is_some_and(|sequence| sequence != SEQUENCE) {
        return Err(Failure::Malformed(PROTOCOL));
    }
    if !request.codes.contain(code) {
        return Err(Failure::Status(code));
    }
    match &request.receive {
        Some(text) => find_in_body(&mut connection, &received[length..], body, text).await,
        None => Ok(()),
    }
}

/// Searches the body for a text. The body ends after `length` bytes although the connection stays open.
async fn find_in_body(connection: &mut Connection, first: &[u8], length: usize, text: &str) -> Result<(), Failure> {
    let mut search = Search::new(text);
    let mut left = length;
    let mut take = |piece: &[u8]| {
        let part = &piece[..piece.len().min(left)];
        left -= part.len();
        let found = search.push(part);
        (found, left == 0 || search.is_over())
    };
    let mut seen = take(first);
    loop {
        match seen {
            (true, _) => return Ok(()),
            (false, true) => return Err(Failure::Content),
            (false, false) => {}
        }
        seen = take(&connection.read().await?);
    }
}

/// Encodes the request. Its URL always has a path, since some servers do not support `*` as the URL of OPTIONS.
fn encode(target: SocketAddr, is_secure: bool, request: &ProbeRequest) -> String {
    let (scheme, default_port) = if is_secure { ("rtsps", 322) } else { ("rtsp", 554) };
    let authority = authority(request.host.as_deref(), target, default_port);
    let (method, path, accept) = match &request.path {
        Some(path) => ("DESCRIBE", path.as_str(), "Accept: application/sdp\r\n"),
        None => ("OPTIONS", "/", ""),
    };
    format!("{method} {scheme}://{authority}{path} RTSP/1.0\r\nCSeq: {SEQUENCE}\r\n{accept}User-Agent: weir\r\n\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_url_that_clients_would_use() {
        let encoded = |target: &str, is_secure, path: Option<&str>, host: Option<&str>| {
            let request =
                ProbeRequest { path: path.map(str::to_owned), host: host.map(str::to_owned), ..Default::default() };
            encode(target.parse().unwrap(), is_secure, &request)
        };
        assert_eq!(
            encoded("10.0.0.1:554", false, None, None),
            "OPTIONS rtsp://10.0.0.1/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: weir\r\n\r\n"
        );
        assert_eq!(
            encoded("[2001:db8::1]:8554", false, Some("/live?a=b"), None),
            "DESCRIBE rtsp://[2001:db8::1]:8554/live?a=b RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\
             User-Agent: weir\r\n\r\n"
        );
        assert!(encoded("10.0.0.1:322", true, None, Some("m.example")).starts_with("OPTIONS rtsps://m.example/ "));
    }
}
