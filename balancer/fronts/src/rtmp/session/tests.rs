//! Captures of real clients, and invalid input.

use std::collections::HashMap;

use proptest::prelude::*;
use rml_amf0::Amf0Value;
use rml_rtmp::chunk_io::ChunkDeserializer;
use rml_rtmp::handshake::{Handshake as Exchange, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{ClientSession, ClientSessionConfig, ClientSessionResult};

use super::super::amf0::Writer;
use super::super::chunk::message_type::{ABORT, COMMAND_AMF0, SET_CHUNK_SIZE};
use super::super::chunk::write_message;
use super::super::handshake::HANDSHAKE_LENGTH;
use super::super::tc_url::TcUrl;
use super::*;

/// All bytes that real clients sent to a server that answered the handshake and nothing else.
const CAPTURES: [(&[u8], &str, &str, Option<&str>); 4] = [
    (
        include_bytes!("../fixtures/ffmpeg-5.1-publish.bin"),
        "live/inst",
        "rtmp://127.0.0.1:45085/live/inst",
        Some("FMLE/3.0 (compatible; Lavf59.27.100)"),
    ),
    (
        include_bytes!("../fixtures/gstreamer-1.22-rtmp2src-ipv6.bin"),
        "live",
        "rtmp://[::1]:60395/live",
        Some("LNX 10,0,32,18"),
    ),
    (
        include_bytes!("../fixtures/rtmpdump-2.4-play-with-query.bin"),
        "live?key=1",
        "rtmp://127.0.0.1:37853/live?key=1",
        Some("LNX 10,0,32,18"),
    ),
    (
        include_bytes!("../fixtures/rtmpdump-2.4-rtmpe.bin"),
        "live",
        "rtmpe://127.0.0.1:36797/live",
        Some("LNX 10,0,32,18"),
    ),
];

/// The chunks of the first capture.
fn chunks() -> &'static [u8] {
    &CAPTURES[0].0[HANDSHAKE_LENGTH..]
}

/// A session whose handshake is complete.
fn session(limits: Limits) -> Session {
    let mut session = Session::new(limits);
    let (reader, allowance) = (chunk::Reader::new(limits), limits.bytes_before_connect);
    session.stage = Stage::AwaitingConnect { reader, allowance };
    session
}

fn receive(bytes: &[u8]) -> Result<Option<Connect>, Error> {
    feed(&mut session(Limits::default()), bytes, &mut Vec::new())
}

/// Feeds `bytes` to a session, which takes all of them unless there is an error. Returns the connect, if it came.
fn feed(session: &mut Session, bytes: &[u8], output: &mut Vec<u8>) -> Result<Option<Connect>, Error> {
    let mut input = bytes;
    let mut connect = None;
    loop {
        match session.receive(&mut input, output)? {
            None => break,
            Some(Event::Connect(found)) => connect = Some(found),
            Some(Event::Command(command)) => panic!("{command:?} before the connect is accepted"),
        }
    }
    assert!(input.is_empty());
    Ok(connect)
}

fn written(type_id: u8, payload: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    write_message(&mut output, 3, type_id, 0, payload);
    output
}

fn command(payload: &[u8]) -> Vec<u8> {
    written(COMMAND_AMF0, payload)
}

/// A connect whose object has one property `a` with the value `value`, and ends there.
fn connect_with(value: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    Writer::new(&mut payload).string("connect").number(1.0);
    payload.extend_from_slice(b"\x03\0\x01a");
    payload.extend_from_slice(value);
    payload
}

#[test]
fn the_connect_of_a_real_client_is_parsed() {
    for (bytes, app, tc_url, flash_version) in CAPTURES {
        let mut session = Session::new(Limits::default());
        let mut output = Vec::new();
        let connect = feed(&mut session, bytes, &mut output).unwrap().unwrap();
        assert_eq!(connect.transaction.to_bits(), 1f64.to_bits());
        assert_eq!(connect.app, app);
        assert_eq!(connect.tc_url.as_deref(), Some(tc_url));
        assert_eq!(connect.flash_version.as_deref(), flash_version);
        assert_eq!(connect.srs_signature, None);
        assert_eq!(output.len(), HANDSHAKE_LENGTH, "only the handshake is answered");
        assert!(TcUrl::parse(tc_url).is_ok());
    }
}

#[test]
fn a_client_may_send_byte_by_byte() {
    for (bytes, app, ..) in CAPTURES {
        let mut session = Session::new(Limits::default());
        let mut output = Vec::new();
        let (last, before) = bytes.split_last().unwrap();
        for byte in before {
            assert_eq!(feed(&mut session, &[*byte], &mut output), Ok(None));
        }
        let connect = feed(&mut session, &[*last], &mut output).unwrap().unwrap();
        assert_eq!(connect.app, app);
        assert_eq!(output.len(), HANDSHAKE_LENGTH);
    }
}

#[test]
fn a_client_may_send_two_fragments_of_any_size() {
    let (bytes, app, ..) = CAPTURES[2];
    let near_the_handshake = [0, 1, 2, 1536, 1537, 1538, HANDSHAKE_LENGTH - 1];
    for cut in near_the_handshake.into_iter().chain(HANDSHAKE_LENGTH..bytes.len()) {
        let mut session = Session::new(Limits::default());
        let mut output = Vec::new();
        assert_eq!(feed(&mut session, &bytes[..cut], &mut output), Ok(None));
        let connect = feed(&mut session, &bytes[cut..], &mut output).unwrap().unwrap();
        assert_eq!(connect.app, app);
        assert_eq!(output.len(), HANDSHAKE_LENGTH);
    }
}

#[test]
fn a_client_of_another_implementation_connects_and_understands_the_rejection() {
    let mut exchange = Exchange::new(PeerType::Client);
    let mut session = Session::new(Limits::default());
    let mut output = Vec::new();
    let first = exchange.generate_outbound_p0_and_p1().unwrap();
    assert_eq!(feed(&mut session, &first, &mut output), Ok(None));
    let Ok(HandshakeProcessResult::Completed { response_bytes, .. }) = exchange.process_bytes(&output) else {
        panic!("handshake not accepted");
    };
    assert_eq!(feed(&mut session, &response_bytes, &mut output), Ok(None));

    let config = ClientSessionConfig { tc_url: Some("rtmp://balancer/live".to_owned()), ..ClientSessionConfig::new() };
    let (mut client, _) = ClientSession::new(config).unwrap();
    let request = client.request_connection("live".to_owned()).unwrap();
    let ClientSessionResult::OutboundResponse(packet) = request else {
        panic!("no connect");
    };
    output.clear();
    let connect = feed(&mut session, &packet.bytes, &mut output).unwrap().unwrap();
    assert_eq!(connect.app, "live");
    assert_eq!(connect.flash_version.as_deref(), Some("WIN 23,0,0,207"));
    assert!(output.is_empty());

    write_rejection(&mut output, connect.transaction, "no", None);
    let results = client.handle_input(&output).unwrap();
    assert!(format!("{results:?}").contains("ConnectionRequestRejected"));
}

#[test]
fn protocol_control_before_connect_is_accepted_and_not_answered() {
    let mut bytes = written(SET_CHUNK_SIZE, &4096u32.to_be_bytes());
    bytes.extend(written(ABORT, &9u32.to_be_bytes()));
    bytes.extend(written(ACKNOWLEDGEMENT, &[0; 4]));
    bytes.extend(written(USER_CONTROL, &[0; 6]));
    bytes.extend(written(WINDOW_ACKNOWLEDGEMENT_SIZE, &[0; 4]));
    bytes.extend(written(SET_PEER_BANDWIDTH, &[0; 5]));
    let mut payload = Vec::new();
    Writer::new(&mut payload).string("connect").number(1.0).object(|object| {
        object.name("app").string(&"a".repeat(1000));
    });
    let start = bytes.len();
    bytes.extend(command(&payload));
    // A single chunk, of the size announced above.
    bytes.truncate(start + 12);
    bytes.extend(payload);
    let mut output = Vec::new();
    let result = feed(&mut session(Limits::default()), &bytes, &mut output);
    assert_eq!(result.unwrap().unwrap().app.len(), 1000);
    assert!(output.is_empty());
}

#[test]
fn every_error_has_a_reason_and_a_rejection_with_its_text() {
    let too_many_streams: Vec<u8> = (2..=10)
        .flat_map(|id| {
            let mut output = Vec::new();
            write_message(&mut output, id, USER_CONTROL, 0, &[0; 6]);
            output
        })
        .collect();
    let nested = connect_with(&b"\x03\0\x01a".repeat(8));
    let mut not_text = Vec::new();
    Writer::new(&mut not_text).string("connect").number(1.0).object(|object| {
        object.name("app").string("\n");
    });
    let cases: [(&[u8], &str, &str); 17] = [
        (b"\x03\0\0\0\x01\0\x01\x14\0\0\0\0", "message-too-long", "message too long: at most 65536 bytes"),
        (&too_many_streams, "too-many-chunk-streams", "too many chunk streams: at most 8"),
        (b"\xc3", "bad-chunk", "chunk of type 2 or 3 with none before it on its chunk stream"),
        (
            &[&command(&[0; 200])[..140], &command(b"")].concat(),
            "bad-chunk",
            "new message inside an unfinished one on the same chunk stream",
        ),
        (&written(ABORT, b"123"), "bad-chunk", "protocol control message of wrong length: 4 bytes expected"),
        (&written(SET_CHUNK_SIZE, &[0; 4]), "bad-chunk-size", "chunk size out of range: 1 to 2147483647 bytes"),
        (&written(9, b"video"), "not-connect", "connect expected, but message type 9 came"),
        (&command(b"\x02\0\x0ccreateStream"), "not-connect", "connect expected, but another command came"),
        (&command(b"\x02\0\x07connect\x05"), "bad-connect", "connect without a transaction number"),
        (&command(&connect_with(b"\x05\0\0\x09")), "bad-connect", "connect without app"),
        (&command(&not_text), "bad-connect", "app is not plain UTF-8 text"),
        (
            &command(&connect_with(&[b"\x05\0\x03app\x02\x10\x01", &[b'a'; 4097][..], b"\0\0\x09"].concat())),
            "bad-connect",
            "app too long: at most 4096 bytes",
        ),
        (&command(&nested), "nesting-too-deep", "AMF0 nested too deep at byte 51: at most 8 levels"),
        (&command(&connect_with(b"\x02\0\x09")), "bad-amf0", "AMF0 ends at byte 26, inside a string"),
        (&command(&connect_with(b"\x07")), "bad-amf0", "AMF0 reference at byte 23"),
        (&command(&connect_with(b"\x11")), "bad-amf0", "AMF0 marker 0x11 at byte 23 begins no value"),
        (
            &written(USER_CONTROL, &[0; 6]).repeat(8000),
            "too-many-bytes",
            "connect not complete: at most 131072 bytes may come before it is",
        ),
    ];
    for (bytes, reason, description) in cases {
        let error = receive(bytes).expect_err(description);
        assert_eq!(error.reason(), reason);
        assert_eq!(error.to_string(), description);
        let mut expected = Vec::new();
        write_rejection(&mut expected, 1.0, description, None);
        let mut rejection = Vec::new();
        error.write_rejection(&mut rejection);
        assert_eq!(rejection, expected);
        assert!(description.len() < 256);
    }
}

#[test]
fn another_implementation_reads_a_rejection() {
    let mut rejection = Vec::new();
    receive(&command(b"\x05")).unwrap_err().write_rejection(&mut rejection);
    let message = ChunkDeserializer::new().get_next_message(&rejection).unwrap().unwrap();
    let values = rml_amf0::deserialize(&mut &message.data[..]).unwrap();
    let text = |text: &str| Amf0Value::Utf8String(text.to_owned());
    let information = HashMap::from([
        ("level".to_owned(), text("error")),
        ("code".to_owned(), text("NetConnection.Connect.Rejected")),
        ("description".to_owned(), text("connect expected, but another command came")),
    ]);
    let expected = [text("_error"), Amf0Value::Number(1.0), Amf0Value::Null, Amf0Value::Object(information)];
    assert_eq!(values, expected);
}

#[test]
fn another_protocol_is_not_answered() {
    let mut session = Session::new(Limits::default());
    let mut output = Vec::new();
    let error = feed(&mut session, b"GET / HTTP/1.1\r\n\r\n", &mut output).unwrap_err();
    assert_eq!(error.reason(), "bad-handshake");
    error.write_rejection(&mut output);
    assert!(output.is_empty());
}

#[test]
fn an_error_ends_the_session() {
    let mut session = session(Limits::default());
    let mut output = Vec::new();
    let error = feed(&mut session, b"\xc3", &mut output).unwrap_err();
    assert_eq!(feed(&mut session, chunks(), &mut output), Err(error));
    assert_eq!(feed(&mut session, b"", &mut output), Err(error));
    assert_eq!(session.buffered(), 0);
}

#[test]
fn input_after_an_unaccepted_connect_is_ignored() {
    let mut session = session(Limits::default());
    let mut output = Vec::new();
    let bytes = [chunks(), &[0xff; 200_000]].concat();
    assert!(feed(&mut session, &bytes, &mut output).unwrap().is_some());
    assert_eq!(feed(&mut session, &bytes, &mut output), Ok(None));
    assert!(output.is_empty());
}

#[test]
fn a_connect_may_take_exactly_the_allowed_bytes() {
    let limits = |bytes_before_connect| Limits { bytes_before_connect, ..Limits::default() };
    let exact = feed(&mut session(limits(chunks().len())), chunks(), &mut Vec::new());
    assert!(exact.unwrap().is_some());
    let limit = chunks().len() - 1;
    let short = feed(&mut session(limits(limit)), chunks(), &mut Vec::new());
    assert_eq!(short, Err(Error::TooManyBytes { limit }));
}

#[test]
fn deeply_nested_objects_are_rejected_in_bounded_memory() {
    let payload = connect_with(&b"\x03\0\x01a".repeat(100_000));
    assert_eq!(receive(&command(&payload)).unwrap_err().reason(), "message-too-long");
    assert_eq!(receive(&command(&payload[..65_536])).unwrap_err().reason(), "nesting-too-deep");
    let limits = Limits { message_length: 1 << 20, bytes_before_connect: 1 << 20, ..Limits::default() };
    let mut session = session(limits);
    let bytes = command(&payload);
    let mut received = 0;
    let error = bytes.chunks(1000).find_map(|part| {
        received += part.len();
        let result = feed(&mut session, part, &mut Vec::new());
        assert!(session.buffered() <= 2 * received);
        result.err()
    });
    assert_eq!(error.unwrap().reason(), "nesting-too-deep");
}

#[test]
fn incomplete_messages_on_all_chunk_streams_reach_the_byte_limit() {
    // Eight messages of 64 KiB, none of them complete: the limit of bytes before connect is reached first.
    let mut session = session(Limits::default());
    let mut reasons = Vec::new();
    'client: for part in 0..512 {
        for id in 2..10 {
            let header: &[u8] = &[id, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 0];
            let header = if part == 0 { header } else { &[0xc0 | id] };
            let bytes = [header, &b"\x03\0\x01a".repeat(32)].concat();
            let result = feed(&mut session, &bytes, &mut Vec::new());
            assert!(session.buffered() <= 2 * 131_072);
            if let Err(error) = result {
                reasons.push(error.reason());
                break 'client;
            }
        }
    }
    assert_eq!(reasons, ["too-many-bytes"]);
}

/// A real connect with some bytes changed, removed or inserted.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3);
    proptest::collection::vec(change, 0..6).prop_map(|changes| {
        let mut bytes = chunks().to_vec();
        for (index, byte, kind) in changes {
            let index = index.index(bytes.len());
            match kind {
                0 => bytes[index] = byte,
                1 => bytes.insert(index, byte),
                _ => drop(bytes.remove(index)),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_fragments_and_memory_stays_within_the_limits(
        bytes in prop_oneof![damaged(), proptest::collection::vec(any::<u8>(), 0..1000)],
        sizes in proptest::collection::vec(1usize..100, 1..10),
    ) {
        let limits =
            Limits { message_length: 400, chunk_streams: 2, bytes_before_connect: 600, ..Limits::default() };
        let whole = feed(&mut session(limits), &bytes, &mut Vec::new());

        let mut session = session(limits);
        let mut rest = &bytes[..];
        let mut output = Vec::new();
        let mut fragmented = Ok(None);
        for size in sizes.iter().cycle() {
            if rest.is_empty() || fragmented != Ok(None) {
                break;
            }
            let (part, after) = rest.split_at(rest.len().min(*size));
            rest = after;
            fragmented = feed(&mut session, part, &mut output);
            prop_assert!(session.buffered() <= 2 * 400);
        }
        prop_assert_eq!(&whole, &fragmented);
        prop_assert!(output.is_empty());

        if let Err(error) = whole {
            prop_assert!(error.to_string().len() < 256);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_bytes_are_answered_with_at_most_a_handshake(
        version in prop_oneof![Just(3u8), Just(6), any::<u8>()],
        bytes in proptest::collection::vec(any::<u8>(), 0..5000),
    ) {
        let mut session = Session::new(Limits::default());
        let mut output = Vec::new();
        let _ = feed(&mut session, &[version], &mut output);
        let _ = feed(&mut session, &bytes, &mut output);
        prop_assert!(output.len() <= HANDSHAKE_LENGTH);
        prop_assert!(session.buffered() <= 2 * bytes.len());
    }
}
