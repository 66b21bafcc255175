//! An RTMP client gets the same answer in whatever pieces it sends, and costs no more memory than the limits say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_balancer::fronts::rtmp::handshake::HANDSHAKE_LENGTH;
use weir_balancer::fronts::rtmp::session::Error;
use weir_balancer::fronts::rtmp::{Connect, Limits, Redirect, Session, TcUrl, amf0, chunk, write_rejection};
use weir_fuzz::script::pieces;

/// A simple handshake: most inputs begin after it, since 3073 bytes that mean nothing would only keep the fuzzer busy.
const HANDSHAKE: [u8; HANDSHAKE_LENGTH] = {
    let mut bytes = [0; HANDSHAKE_LENGTH];
    bytes[0] = 3;
    bytes
};

/// So narrow that short inputs reach them.
const NARROW: Limits = Limits { message_length: 200, chunk_streams: 3, bytes_before_connect: 500 };

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, pieces)) = pieces(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let shaken = flags & 2 == 0;
    let whole = run(limits, shaken, std::iter::once(stream));
    let pieced = run(limits, shaken, pieces);
    // By their text, since a transaction that is not a number equals nothing.
    assert_eq!(format!("{:?}", whole.0), format!("{:?}", pieced.0));
    assert_eq!(whole.1.len(), pieced.1.len());
    // Where the client's handshake is signed the answer is filled with random bytes.
    assert!(!shaken || whole.1 == pieced.1);
    answer(whole.0);
});

/// What a session makes of a stream, and what it sends.
fn run<'a>(
    limits: Limits,
    shaken: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Result<Option<Connect>, Error>, Vec<u8>) {
    let mut session = Session::new(limits);
    let mut output = Vec::new();
    if shaken {
        assert_eq!(session.receive(&HANDSHAKE, &mut output), Ok(None));
    }
    let mut received = 0;
    let mut outcome = Ok(None);
    for piece in pieces {
        let result = session.receive(piece, &mut output);
        received += piece.len();
        let most = (limits.message_length * limits.chunk_streams).min(2 * received);
        assert!(session.buffered() <= most, "{} bytes held of {received}", session.buffered());
        match &outcome {
            Ok(None) => outcome = result,
            Ok(Some(_)) => assert_eq!(result, Ok(None), "what follows a connect is ignored"),
            Err(error) => assert_eq!(result, Err(*error), "an error is the end"),
        }
    }
    (outcome, output)
}

/// Answers as the balancer does, and reads the answer as a client does.
fn answer(outcome: Result<Option<Connect>, Error>) {
    let mut output = Vec::new();
    match outcome {
        Ok(None) => return,
        Ok(Some(connect)) => {
            assert!(!connect.app.contains(char::is_control));
            let url = match connect.tc_url.as_deref().map(TcUrl::parse) {
                Some(Ok(url)) => format!("rtmp://edge:1935{}?{}", url.path, url.query.unwrap_or_default()),
                _ => format!("rtmp://edge:1935/{}", connect.app),
            };
            let redirect = Redirect { connect_url: &url, stream_url: None };
            write_rejection(&mut output, connect.transaction, "moved", Some(redirect));
        }
        Err(Error::Handshake(_)) => return,
        Err(error) => error.write_refusal(&mut output),
    }
    let mut reader = chunk::Reader::new(Limits::default());
    let mut rest = &output[..];
    for name in [&b"_error"[..], b"close"] {
        let message = reader.receive(&mut rest).expect("our own chunks").expect("two messages");
        let mut values = amf0::Reader::new(&message.payload);
        assert_eq!(values.value(), Ok(amf0::Value::String(name)));
        assert!(matches!(values.value(), Ok(amf0::Value::Number(_))));
    }
    assert!(rest.is_empty());
}
