//! The requests that servers get, and the responses that are accepted.

use std::net::Ipv4Addr;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::server::Server;
use super::*;
use crate::probe::tls::tests::server_config;

/// Probes a server that responds to a complete head with `pieces`.
async fn outcome(check: &str, pieces: &'static [&'static str]) -> Result<(), Failure> {
    let server = Server::responding("\r\n\r\n", pieces).await;
    probe_with(server.address, check).await
}

#[tokio::test]
async fn an_rtsp_server_gets_an_options_request() {
    let server = Server::responding("\r\n\r\n", &["RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"]).await;
    let address = server.address;
    assert_eq!(probe_with(address, "kind = \"rtsp\"").await, Ok(()));
    let expected = format!("OPTIONS rtsp://{address}/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: weir\r\n\r\n");
    assert_eq!(server.received().await, expected);
}

#[tokio::test]
async fn rtsp_responses_are_judged_by_status_sequence_number_and_body() {
    const DESCRIBED: &[&str] =
        &["RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-", "Length: 13\r\n\r\nv=0\r\nm=vi", "deo 0 and what follows"];
    let describe = "kind = \"rtsp\"\npath = \"/live\"\n";
    for (text, pieces, expected) in [
        ("", &["RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n"][..], Err(Failure::Status(404))),
        ("codes = [\"404\"]", &["RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n"], Ok(())),
        ("", &["R", "TSP/1.0 2", "00 OK\r\nCSeq: 1\r\n", "\r\n"], Ok(())),
        ("", &["RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n"], Err(Failure::Malformed("RTSP"))),
        ("", &["HTTP/1.1 400 Bad Request\r\n\r\n"], Err(Failure::Malformed("RTSP"))),
        ("", &["RTSP/1.0 200 OK\r\nCS"], Err(Failure::Closed)),
        ("", &[], Err(Failure::Closed)),
        ("receive = \"m=video\"", DESCRIBED, Ok(())),
        ("receive = \"m=audio\"", DESCRIBED, Err(Failure::Content)),
        ("receive = \"what\"", DESCRIBED, Err(Failure::Content)),
    ] {
        assert_eq!(outcome(&format!("{describe}{text}"), pieces).await, expected, "{text} {pieces:?}");
    }
}

#[tokio::test]
async fn an_http_server_gets_a_get_request() {
    let server = Server::responding("\r\n\r\n", &["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    let port = server.address.port();
    assert_eq!(probe_with(server.address, "kind = \"http\"\npath = \"/up?a=b\"\nhost = \"m.example\"").await, Ok(()));
    let received = server.received().await.to_ascii_lowercase();
    assert!(received.starts_with("get /up?a=b http/1.1\r\n"), "{received}");
    for header in [format!("host: m.example:{port}\r\n"), "connection: close\r\n".to_owned()] {
        assert!(received.contains(&header), "{received}");
    }
}

#[tokio::test]
async fn http_responses_are_judged_by_status_and_body() {
    const CHUNKED: &[&str] =
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n", "8\r\n is well\r\n0\r\n\r\n"];
    for (text, pieces, expected) in [
        ("", &["HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n"][..], Ok(())),
        ("", &["HTTP/1.0 200 OK\r\n\r\nhello"], Ok(())),
        ("", &["HTTP/1.1 503 Service Unavailable\r\n\r\n"], Err(Failure::Status(503))),
        ("codes = [\"401\", \"200\"]", &["HTTP/1.1 401 Unauthorized\r\n\r\n"], Ok(())),
        ("", &["SSH-2.0-OpenSSH_9.2\r\n"], Err(Failure::Malformed("HTTP"))),
        ("", &["HTTP/1.1 200 O"], Err(Failure::Closed)),
        ("", &[], Err(Failure::Closed)),
        ("receive = \"all is well\"", CHUNKED, Ok(())),
        ("receive = \"all is lost\"", CHUNKED, Err(Failure::Content)),
        ("receive = \"well\"", &["HTTP/1.0 200 OK\r\n\r\nall is we", "ll"], Ok(())),
        ("receive = \"well\"", &["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nall"], Err(Failure::Closed)),
    ] {
        assert_eq!(outcome(&format!("kind = \"http\"\n{text}"), pieces).await, expected, "{text} {pieces:?}");
    }
}

#[tokio::test]
async fn a_server_that_sends_data_first_is_not_an_http_server() {
    let server = Server::responding("", &["220 mail.example ESMTP\r\n"]).await;
    assert_eq!(probe_with(server.address, "kind = \"http\"").await, Err(Failure::Malformed("HTTP")));
}

#[tokio::test]
async fn an_http_head_without_end_is_malformed() {
    static ENDLESS: &[&str] = &["HTTP/1.1 200 OK\r\nx: ", "0123456789abcdef"];
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(ENDLESS[0].as_bytes()).await.unwrap();
        // Until the probe closes the connection.
        while stream.write_all(ENDLESS[1].as_bytes()).await.is_ok() {}
    });
    assert_eq!(probe_with(target, "kind = \"http\"").await, Err(Failure::Malformed("HTTP")));
    server.await.unwrap();
}

/// Probes a server that responds to C0 and C1 with these bytes, and closes.
async fn rtmp(response: Vec<u8>) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0; 1537];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(first[..9], [3, 0, 0, 0, 0, 0, 0, 0, 0], "the simple handshake");
        assert_ne!(first[9..17], [0; 8], "random");
        let _ = stream.write_all(&response).await;
    });
    let outcome = probe_with(target, "kind = \"rtmp\"").await;
    server.await.unwrap();
    outcome
}

#[tokio::test]
async fn an_rtmp_server_must_complete_the_handshake() {
    let response = |version: u8, length| [&[version][..], &vec![7; length]].concat();
    assert_eq!(rtmp(response(3, 2 * 1536)).await, Ok(()));
    assert_eq!(rtmp(response(3, 1536)).await, Err(Failure::Closed), "S2 is missing");
    assert_eq!(rtmp(response(b'H', 2 * 1536)).await, Err(Failure::Malformed("RTMP")));
    assert_eq!(rtmp(Vec::new()).await, Err(Failure::Closed));
}

#[tokio::test]
async fn text_is_sent_and_expected_over_tcp() {
    let converse = "send = \"PING\\r\\n\\r\\n\"\nreceive = \"PONG\"";
    assert_eq!(outcome(converse, &["+PO", "NG\r\n"]).await, Ok(()));
    assert_eq!(outcome(converse, &["-ERR\r\n"]).await, Err(Failure::Content));
    assert_eq!(outcome(converse, &[]).await, Err(Failure::Closed));
}

/// Probes a UDP server that responds to a datagram with `responses`.
async fn datagrams(check: &str, responses: &'static [&'static str]) -> Result<(), Failure> {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = server.local_addr().unwrap();
    let respond = async {
        let mut received = [0; 100];
        let (length, client) = server.recv_from(&mut received).await.unwrap();
        for response in responses {
            server.send_to(response.as_bytes(), client).await.unwrap();
        }
        String::from_utf8_lossy(&received[..length]).into_owned()
    };
    let (outcome, received) = tokio::join!(probe_with(target, check), respond);
    assert_eq!(received, if check.contains("send") { "hello" } else { "" });
    outcome
}

#[tokio::test]
async fn a_datagram_must_not_be_refused_and_may_require_a_response() {
    let kind = "kind = \"udp\"\ntimeout = \"200ms\"\n";
    assert_eq!(datagrams(kind, &[]).await, Ok(()), "silence");
    assert_eq!(datagrams(&format!("{kind}send = \"hello\""), &["anything"]).await, Ok(()));
    let awaiting = format!("{kind}send = \"hello\"\nreceive = \"well\"");
    assert_eq!(datagrams(&awaiting, &["what?", "very well"]).await, Ok(()));
    assert_eq!(datagrams(&awaiting, &["what?"]).await, Err(Failure::Content));
    assert_eq!(datagrams(&awaiting, &[]).await, Err(Failure::Timeout(Phase::Response)));
    // Without a listener, the kernel refuses the datagram.
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    assert_eq!(probe_with(closed, "kind = \"udp\"").await, Err(Failure::Refused));
}

#[tokio::test]
async fn a_self_signed_certificate_is_rejected_only_when_it_is_verified() {
    let own = rcgen::generate_simple_self_signed(["m.example".to_owned()]).unwrap();
    let config = Arc::new(server_config(&own));
    let secure = async |check: &str, pieces| {
        let server = Server::secure("\r\n\r\n", pieces, Arc::clone(&config)).await;
        probe_with(server.address, check).await
    };
    let http = &["HTTP/1.1 200 OK\r\n\r\n"][..];
    let rtsp = &["RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"][..];
    assert_eq!(secure("kind = \"http\"\ntls = true", http).await, Ok(()));
    assert_eq!(secure("kind = \"rtsp\"\ntls = true", rtsp).await, Ok(()));
    assert_eq!(secure("kind = \"http\"\ntls = true\nhost = \"m.example\"\nverify = false", http).await, Ok(()));
    let refused = secure("kind = \"http\"\ntls = true\nhost = \"m.example\"", http).await;
    assert!(matches!(&refused, Err(Failure::Tls(why)) if why.contains("certificate")), "{refused:?}");
    let plain = Server::responding("", &["220 mail.example\r\n"]).await;
    let refused = probe_with(plain.address, "kind = \"tcp\"\ntls = true").await;
    assert!(matches!(&refused, Err(Failure::Tls(_))), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_response_leads_to_an_outcome(response: Vec<u8>, kind in "rtsp|http|rtmp") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let target = listener.local_addr().unwrap();
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.write_all(&response).await;
            };
            let check = format!("kind = \"{kind}\"");
            let (outcome, ()) = tokio::join!(probe_with(target, &check), server);
            assert!(outcome.is_err(), "{outcome:?}");
        });
    }
}
