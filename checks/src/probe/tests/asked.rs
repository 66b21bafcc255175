//! What servers are asked, and which answers are good.

use std::net::Ipv4Addr;
use std::sync::Arc;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

use super::server::Server;
use super::*;
use crate::probe::tls::tests::server_config;

/// Asks a server that answers a whole head with these pieces.
async fn answered(check: &str, pieces: &'static [&'static str]) -> Result<(), Failure> {
    let server = Server::answering("\r\n\r\n", pieces).await;
    ask(server.address, check).await
}

#[tokio::test]
async fn rtsp_is_asked_for_its_options() {
    let server = Server::answering("\r\n\r\n", &["RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"]).await;
    let address = server.address;
    assert_eq!(ask(address, "kind = \"rtsp\"").await, Ok(()));
    let expected = format!("OPTIONS rtsp://{address}/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: weir\r\n\r\n");
    assert_eq!(server.heard().await, expected);
}

#[tokio::test]
async fn rtsp_answers_are_judged() {
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
        assert_eq!(answered(&format!("{describe}{text}"), pieces).await, expected, "{text} {pieces:?}");
    }
}

#[tokio::test]
async fn http_is_asked_as_browsers_ask() {
    let server = Server::answering("\r\n\r\n", &["HTTP/1.1 204 No Content\r\n\r\n"]).await;
    let port = server.address.port();
    assert_eq!(ask(server.address, "kind = \"http\"\npath = \"/up?a=b\"\nhost = \"m.example\"").await, Ok(()));
    let heard = server.heard().await.to_ascii_lowercase();
    assert!(heard.starts_with("get /up?a=b http/1.1\r\n"), "{heard}");
    for header in [format!("host: m.example:{port}\r\n"), "connection: close\r\n".to_owned()] {
        assert!(heard.contains(&header), "{heard}");
    }
}

#[tokio::test]
async fn http_answers_are_judged() {
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
        assert_eq!(answered(&format!("kind = \"http\"\n{text}"), pieces).await, expected, "{text} {pieces:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_speaks_no_http() {
    let server = Server::answering("", &["220 mail.example ESMTP\r\n"]).await;
    assert_eq!(ask(server.address, "kind = \"http\"").await, Err(Failure::Malformed("HTTP")));
}

#[tokio::test]
async fn an_http_head_without_end_is_given_up() {
    static ENDLESS: &[&str] = &["HTTP/1.1 200 OK\r\nx: ", "0123456789abcdef"];
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap();
        stream.write_all(ENDLESS[0].as_bytes()).await.unwrap();
        // Until nobody reads it any more.
        while stream.write_all(ENDLESS[1].as_bytes()).await.is_ok() {}
    });
    assert_eq!(ask(target, "kind = \"http\"").await, Err(Failure::Malformed("HTTP")));
    server.await.unwrap();
}

/// Answers the first packet of RTMP with these bytes, and closes.
async fn rtmp(answer: Vec<u8>) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut first = [0; 1537];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(first[..9], [3, 0, 0, 0, 0, 0, 0, 0, 0], "the simple handshake");
        assert_ne!(first[9..17], [0; 8], "filled");
        let _ = stream.write_all(&answer).await;
    });
    let outcome = ask(target, "kind = \"rtmp\"").await;
    server.await.unwrap();
    outcome
}

#[tokio::test]
async fn rtmp_shakes_hands() {
    let answer = |version: u8, length| [&[version][..], &vec![7; length]].concat();
    assert_eq!(rtmp(answer(3, 2 * 1536)).await, Ok(()));
    assert_eq!(rtmp(answer(3, 1536)).await, Err(Failure::Closed), "its second packet is missing");
    assert_eq!(rtmp(answer(b'H', 2 * 1536)).await, Err(Failure::Malformed("RTMP")));
    assert_eq!(rtmp(Vec::new()).await, Err(Failure::Closed));
}

#[tokio::test]
async fn text_is_sent_and_awaited_over_tcp() {
    let converse = "send = \"PING\\r\\n\\r\\n\"\nreceive = \"PONG\"";
    assert_eq!(answered(converse, &["+PO", "NG\r\n"]).await, Ok(()));
    assert_eq!(answered(converse, &["-ERR\r\n"]).await, Err(Failure::Content));
    assert_eq!(answered(converse, &[]).await, Err(Failure::Closed));
}

/// Asks a UDP server that answers each datagram with these.
async fn datagrams(check: &str, answers: &'static [&'static str]) -> Result<(), Failure> {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let target = server.local_addr().unwrap();
    let answer = async {
        let mut received = [0; 100];
        let (length, client) = server.recv_from(&mut received).await.unwrap();
        for answer in answers {
            server.send_to(answer.as_bytes(), client).await.unwrap();
        }
        String::from_utf8_lossy(&received[..length]).into_owned()
    };
    let (outcome, heard) = tokio::join!(ask(target, check), answer);
    assert_eq!(heard, if check.contains("send") { "hello" } else { "" });
    outcome
}

#[tokio::test]
async fn a_datagram_is_answered_or_at_least_not_refused() {
    let kind = "kind = \"udp\"\ntimeout = \"200ms\"\n";
    assert_eq!(datagrams(kind, &[]).await, Ok(()), "silence");
    assert_eq!(datagrams(&format!("{kind}send = \"hello\""), &["anything"]).await, Ok(()));
    let awaiting = format!("{kind}send = \"hello\"\nreceive = \"well\"");
    assert_eq!(datagrams(&awaiting, &["what?", "very well"]).await, Ok(()));
    assert_eq!(datagrams(&awaiting, &["what?"]).await, Err(Failure::Content));
    assert_eq!(datagrams(&awaiting, &[]).await, Err(Failure::Timeout(Awaited::Answer)));
    // Nobody listens, and the kernel says so.
    let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    assert_eq!(ask(gone, "kind = \"udp\"").await, Err(Failure::Refused));
}

#[tokio::test]
async fn over_tls_a_certificate_matters_when_it_is_to_be_verified() {
    let own = rcgen::generate_simple_self_signed(["m.example".to_owned()]).unwrap();
    let config = Arc::new(server_config(&own));
    let secure = async |check: &str, pieces| {
        let server = Server::secure("\r\n\r\n", pieces, Arc::clone(&config)).await;
        ask(server.address, check).await
    };
    let http = &["HTTP/1.1 200 OK\r\n\r\n"][..];
    let rtsp = &["RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"][..];
    assert_eq!(secure("kind = \"http\"\ntls = true", http).await, Ok(()));
    assert_eq!(secure("kind = \"rtsp\"\ntls = true", rtsp).await, Ok(()));
    assert_eq!(secure("kind = \"http\"\ntls = true\nhost = \"m.example\"\nverify = false", http).await, Ok(()));
    let refused = secure("kind = \"http\"\ntls = true\nhost = \"m.example\"", http).await;
    assert!(matches!(&refused, Err(Failure::Tls(why)) if why.contains("certificate")), "{refused:?}");
    let plain = Server::answering("", &["220 mail.example\r\n"]).await;
    let refused = ask(plain.address, "kind = \"tcp\"\ntls = true").await;
    assert!(matches!(&refused, Err(Failure::Tls(_))), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_a_server_says_there_is_an_outcome(answer: Vec<u8>, kind in "rtsp|http|rtmp") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let target = listener.local_addr().unwrap();
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.write_all(&answer).await;
            };
            let check = format!("kind = \"{kind}\"");
            let (outcome, ()) = tokio::join!(ask(target, &check), server);
            assert!(outcome.is_err(), "{outcome:?}");
        });
    }
}
