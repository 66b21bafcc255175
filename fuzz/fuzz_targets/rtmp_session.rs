//! The responses to an RTMP client do not depend on the fragments in which it sends, and memory stays within the
//! limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtmp::handshake::HANDSHAKE_LENGTH;
use weir_fronts::rtmp::session::{Error, Event};
use weir_fronts::rtmp::{Limits, Redirect, Session, TcUrl, amf0, chunk, response, write_rejection};
use weir_fuzz::script::fragments;

/// A simple handshake. Most inputs start after it, because its 3073 bytes have no meaning and only slow the fuzzer
/// down.
const HANDSHAKE: [u8; HANDSHAKE_LENGTH] = {
    let mut bytes = [0; HANDSHAKE_LENGTH];
    bytes[0] = 3;
    bytes
};

/// Limits that short inputs reach.
const NARROW: Limits = Limits {
    message_length: 200,
    chunk_streams: 3,
    bytes_before_connect: 500,
    bytes_before_play: 300,
    commands_before_play: 3,
};

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, fragments)) = fragments(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let handshake = flags & 2 == 0;
    let accepts = flags & 4 != 0;
    let whole = run(limits, handshake, accepts, std::iter::once(stream));
    let fragmented = run(limits, handshake, accepts, fragments);
    // Compared as text, because a transaction ID may be NaN, which equals nothing.
    let text = |outcome: &Outcome| format!("{:?}{:?}", outcome.events, outcome.error);
    assert_eq!(text(&whole), text(&fragmented));
    assert_eq!(whole.output.len(), fragmented.output.len());
    // The response to a signed handshake has random filler.
    assert!(!handshake || whole.output == fragmented.output);
    assert!(accepts || whole.events.len() <= 1, "input after a connect is not ignored");
    assert!(whole.events.len() <= 1 + limits.commands_before_play);
    respond(&whole);
});

/// The events and the output of a session.
#[derive(Default)]
struct Outcome {
    events: Vec<Event>,
    error: Option<Error>,
    output: Vec<u8>,
}

fn run<'a>(limits: Limits, handshake: bool, accepts: bool, fragments: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut session = Session::new(limits);
    let mut outcome = Outcome::default();
    if handshake {
        assert_eq!(session.receive(&mut &HANDSHAKE[..], &mut outcome.output), Ok(None));
    }
    let mut received = 0;
    for fragment in fragments {
        let mut input = fragment;
        received += fragment.len();
        loop {
            let result = session.receive(&mut input, &mut outcome.output);
            let most = (limits.message_length * limits.chunk_streams).min(2 * received);
            assert!(session.buffered() <= most, "{} bytes buffered of {received}", session.buffered());
            if let Some(error) = outcome.error {
                assert_eq!(result, Err(error), "an error is not final");
                break;
            }
            match result {
                Ok(None) => break assert!(input.is_empty(), "input is left"),
                Ok(Some(event)) => {
                    if accepts && matches!(event, Event::Connect(_)) {
                        session.accept();
                    }
                    outcome.events.push(event);
                }
                Err(error) => {
                    outcome.error = Some(error);
                    break;
                }
            }
        }
    }
    outcome
}

/// Responds to the events as the balancer does, and reads the responses as a client does.
fn respond(outcome: &Outcome) {
    let mut output = Vec::new();
    let mut names = Vec::new();
    for event in &outcome.events {
        match event {
            Event::Connect(connect) => {
                assert!(!connect.app.contains(char::is_control));
                response::connect_accepted(&mut output, connect);
                let url = match connect.tc_url.as_deref().map(TcUrl::parse) {
                    Some(Ok(url)) => format!("rtmp://edge:1935{}?{}", url.path, url.query.unwrap_or_default()),
                    _ => format!("rtmp://edge:1935/{}", connect.app),
                };
                let redirect = Redirect { connect_url: &url, stream_url: None };
                write_rejection(&mut output, connect.transaction, "moved", Some(redirect));
                names.extend([&b"_result"[..], b"_error", b"close"]);
            }
            Event::Command(command) => {
                response::stream_created(&mut output, command, 1);
                response::redirect_at_play(&mut output, command, "moved", None);
                names.extend([&b"_result"[..], b"onStatus", b"close"]);
            }
        }
    }
    if let Some(error) = outcome.error.filter(|error| !matches!(error, Error::Handshake(_))) {
        error.write_rejection(&mut output);
        names.extend([&b"_error"[..], b"close"]);
    }
    let mut reader = chunk::Reader::new(Limits::default());
    let mut rest = &output[..];
    for name in names {
        let payload = loop {
            let message = reader.receive(&mut rest).expect("the responses are valid chunks").expect("another message");
            if matches!(message.type_id, 17 | 20) {
                break message.payload;
            }
        };
        let mut values = amf0::Reader::new(payload.strip_prefix(&[0]).unwrap_or(&payload));
        assert_eq!(values.value(), Ok(amf0::Value::String(name)));
        assert!(matches!(values.value(), Ok(amf0::Value::Number(_))));
    }
    assert!(rest.is_empty());
}
