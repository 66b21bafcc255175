//! An RTMP edge continues the session of a client whose transactions the balancer has answered. The fragments of its
//! bytes do not matter, no byte is lost or added, and the client receives no response twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtmp::edge_session::{EdgeSession, Error};
use weir_fronts::rtmp::handshake::HANDSHAKE_LENGTH;
use weir_fronts::rtmp::transcript::{AnsweredTransactions, Transcript};
use weir_fronts::rtmp::{Limits, amf0, chunk};
use weir_fuzz::script::fragments;

/// An edge's part of a handshake.
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

const RECEIVED: &[u8] = b"all bytes from the client";

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, fragments)) = fragments(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let mut answered = AnsweredTransactions::default();
    if flags & 2 == 0 {
        answered.record_connect(1.0);
        assert_eq!(answered.record_create_stream(2.0), 1);
    }
    let handshake = flags & 4 == 0;
    let transcript = Transcript { received: RECEIVED.to_vec(), answered };
    let whole = run(limits, &transcript, handshake, std::iter::once(stream));
    let fragmented = run(limits, &transcript, handshake, fragments);
    match (whole, fragmented) {
        (Ok(whole), Ok(fragmented)) => {
            assert_eq!(whole, fragmented);
            let (done, to_client, to_edge) = whole;
            if handshake {
                assert_eq!(to_client.len(), stream.len());
                assert!(to_edge.ends_with(RECEIVED));
            }
            if done && handshake && flags & 2 == 0 {
                check_responses(stream, &to_client, limits);
            }
        }
        (whole, fragmented) => assert_eq!(whole, fragmented),
    }
});

/// Whether the session can be relayed, the bytes for the client, and the bytes for the edge.
type Outcome = (bool, Vec<u8>, Vec<u8>);

fn run<'a>(
    limits: Limits,
    transcript: &Transcript,
    handshake: bool,
    fragments: impl Iterator<Item = &'a [u8]>,
) -> Result<Outcome, Error> {
    let mut to_edge = Vec::new();
    let mut session = EdgeSession::new(transcript.clone(), limits, &mut to_edge);
    let mut done = false;
    if handshake {
        done = session.receive(&HANDSHAKE, &mut to_edge)?;
    }
    for fragment in fragments {
        done = session.receive(fragment, &mut to_edge)?;
    }
    Ok((done, session.into_bytes(), to_edge))
}

/// Checks that the first response to each of the transactions 1 and 2 does not reach the client, and any other does.
fn check_responses(sent: &[u8], received: &[u8], limits: Limits) {
    let transactions = |bytes: &[u8]| {
        let mut reader = chunk::Reader::new(limits);
        let mut rest = bytes;
        let mut transactions = Vec::new();
        while let Ok(Some(message)) = reader.receive(&mut rest) {
            let values = match message.type_id {
                20 => &message.payload[..],
                17 => message.payload.strip_prefix(&[0]).unwrap_or(&message.payload),
                _ => continue,
            };
            let mut values = amf0::Reader::new(values);
            if values.value() == Ok(amf0::Value::String(b"_result"))
                && let Ok(amf0::Value::Number(transaction)) = values.value()
            {
                transactions.push(transaction);
            }
        }
        transactions
    };
    let (sent, received) = (transactions(sent), transactions(received));
    assert_eq!(sent.len(), received.len());
    for transaction in [1.0, 2.0] {
        let count = |all: &[f64]| all.iter().filter(|one| **one == transaction).count();
        assert_eq!(count(&received) + 1, count(&sent));
    }
}
