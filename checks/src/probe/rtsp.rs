//! RTSP: OPTIONS (RFC 2326 section 10.1), or DESCRIBE (section 10.2) of a path.

use std::net::SocketAddr;

use super::authority;
use super::connection::Connection;
use crate::Failure;
use crate::answer::{self, Answer};
use crate::check::Request;
use crate::search::Search;

/// The number of the one request (`CSeq`).
const SEQUENCE: u32 = 1;

/// What the answer is to be in.
const PROTOCOL: &str = "RTSP";

/// Asks, and reads the answer as far as it matters.
pub(super) async fn ask(
    mut connection: Connection,
    target: SocketAddr,
    is_secure: bool,
    request: &Request,
) -> Result<(), Failure> {
    connection.write(written(target, is_secure, request).as_bytes()).await?;
    let mut received = Vec::new();
    let Answer { code, sequence, body, length } = loop {
        received.extend_from_slice(&connection.read().await?);
        if let Some(answer) = answer::read(&received).map_err(|_| Failure::Malformed(PROTOCOL))? {
            break answer;
        }
    };
    // Some servers leave it out when they refuse.
    if sequence.is_some_and(|sequence| sequence != SEQUENCE) {
        return Err(Failure::Malformed(PROTOCOL));
    }
    if !request.codes.contain(code) {
        return Err(Failure::Status(code));
    }
    match &request.receive {
        Some(text) => describe(&mut connection, &received[length..], body, text).await,
        None => Ok(()),
    }
}

/// Looks for a text in the body, which ends after so many bytes although the connection goes on.
async fn describe(connection: &mut Connection, first: &[u8], length: usize, text: &str) -> Result<(), Failure> {
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

/// The request. Its URL has a path in any case: not all servers know the `*` that may stand for all of one.
fn written(target: SocketAddr, is_secure: bool, request: &Request) -> String {
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
    fn what_is_asked_for_is_named_as_clients_name_it() {
        let asked = |target: &str, is_secure, path: Option<&str>, host: Option<&str>| {
            let request =
                Request { path: path.map(str::to_owned), host: host.map(str::to_owned), ..Request::default() };
            written(target.parse().unwrap(), is_secure, &request)
        };
        assert_eq!(
            asked("10.0.0.1:554", false, None, None),
            "OPTIONS rtsp://10.0.0.1/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: weir\r\n\r\n"
        );
        assert_eq!(
            asked("[2001:db8::1]:8554", false, Some("/live?a=b"), None),
            "DESCRIBE rtsp://[2001:db8::1]:8554/live?a=b RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\
             User-Agent: weir\r\n\r\n"
        );
        assert!(asked("10.0.0.1:322", true, None, Some("m.example")).starts_with("OPTIONS rtsps://m.example/ "));
    }
}
