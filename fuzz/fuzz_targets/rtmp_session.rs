//! An RTMP client gets the same answers in whatever pieces it sends, and costs no more memory than the limits say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtmp::handshake::HANDSHAKE_LENGTH;
use weir_fronts::rtmp::session::{Error, Event};
use weir_fronts::rtmp::{Limits, Redirect, Session, TcUrl, amf0, chunk, respond, write_rejection};
use weir_fuzz::script::pieces;

/// A simple handshake: most inputs begin after it, since 3073 bytes that mean nothing would only keep the fuzzer busy.
const HANDSHAKE: [u8; HANDSHAKE_LENGTH] = {
    let mut bytes = [0; HANDSHAKE_LENGTH];
    bytes[0] = 3;
    bytes
};

/// So narrow that short inputs reach them.
const NARROW: Limits = Limits {
    message_length: 200,
    chunk_streams: 3,
    bytes_before_connect: 500,
    bytes_before_play: 300,
    commands_before_play: 3,
};

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, pieces)) = pieces(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let shaken = flags & 2 == 0;
    let accepts = flags & 4 != 0;
    let whole = run(limits, shaken, accepts, std::iter::once(stream));
    let pieced = run(limits, shaken, accepts, pieces);
    // By their text, since a transaction that is not a number equals nothing.
    assert_eq!(format!("{:?}{:?}", whole.events, whole.error), format!("{:?}{:?}", pieced.events, pieced.error));
    assert_eq!(whole.output.len(), pieced.output.len());
    // Where the client's handshake is signed the answer is filled with random bytes.
    assert!(!shaken || whole.output == pieced.output);
    assert!(accepts || whole.events.len() <= 1, "what follows a connect is ignored");
    assert!(whole.events.len() <= 1 + limits.commands_before_play);
    answer(&whole);
});

/// What a session makes of a stream, and what it sends.
#[derive(Default)]
struct Outcome {
    events: Vec<Event>,
    error: Option<Error>,
    output: Vec<u8>,
}

fn run<'a>(limits: Limits, shaken: bool, accepts: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut session = Session::new(limits);
    let mut outcome = Outcome::default();
    if shaken {
        assert_eq!(session.receive(&mut &HANDSHAKE[..], &mut outcome.output), Ok(None));
    }
    let mut received = 0;
    for piece in pieces {
        let mut input = piece;
        received += piece.len();
        loop {
            let result = session.receive(&mut input, &mut outcome.output);
            let most = (limits.message_length * limits.chunk_streams).min(2 * received);
            assert!(session.buffered() <= most, "{} bytes held of {received}", session.buffered());
            if let Some(error) = outcome.error {
                assert_eq!(result, Err(error), "an error is the end");
                break;
            }
            match result {
                Ok(None) => break assert!(input.is_empty(), "all is taken"),
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

/// Answers as the balancer does, and reads the answer as a client does.
fn answer(outcome: &Outcome) {
    let mut output = Vec::new();
    let mut names = Vec::new();
    for event in &outcome.events {
        match event {
            Event::Connect(connect) => {
                assert!(!connect.app.contains(char::is_control));
                respond::accept(&mut output, connect);
                let url = match connect.tc_url.as_deref().map(TcUrl::parse) {
                    Some(Ok(url)) => format!("rtmp://edge:1935{}?{}", url.path, url.query.unwrap_or_default()),
                    _ => format!("rtmp://edge:1935/{}", connect.app),
                };
                let redirect = Redirect { connect_url: &url, stream_url: None };
                write_rejection(&mut output, connect.transaction, "moved", Some(redirect));
                names.extend([&b"_result"[..], b"_error", b"close"]);
            }
            Event::Command(command) => {
                respond::stream_created(&mut output, command, 1);
                respond::redirect_at_play(&mut output, command, "moved", None);
                names.extend([&b"_result"[..], b"onStatus", b"close"]);
            }
        }
    }
    if let Some(error) = outcome.error.filter(|error| !matches!(error, Error::Handshake(_))) {
        error.write_refusal(&mut output);
        names.extend([&b"_error"[..], b"close"]);
    }
    let mut reader = chunk::Reader::new(Limits::default());
    let mut rest = &output[..];
    for name in names {
        let payload = loop {
            let message = reader.receive(&mut rest).expect("our own chunks").expect("another message");
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
