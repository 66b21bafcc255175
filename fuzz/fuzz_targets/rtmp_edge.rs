//! What an RTMP edge sends to a client that was answered before: pieces do not matter, nothing is lost or added, and the
//! client hears no answer twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtmp::answered::Answered;
use weir_fronts::rtmp::handshake::HANDSHAKE_LENGTH;
use weir_fronts::rtmp::opening::{Error, Opening, Story};
use weir_fronts::rtmp::{Limits, amf0, chunk};
use weir_fuzz::script::pieces;

/// An edge's half of a handshake.
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

const SAID: &[u8] = b"all that the client has said";

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, pieces)) = pieces(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let mut answered = Answered::default();
    if flags & 2 == 0 {
        answered.connect(1.0);
        assert_eq!(answered.create_stream(2.0), 1);
    }
    let shaken = flags & 4 == 0;
    let story = Story { said: SAID.to_vec(), answered };
    let whole = run(limits, &story, shaken, std::iter::once(stream));
    let pieced = run(limits, &story, shaken, pieces);
    match (whole, pieced) {
        (Ok(whole), Ok(pieced)) => {
            assert_eq!(whole, pieced);
            let (done, to_client, to_edge) = whole;
            if shaken {
                assert_eq!(to_client.len(), stream.len());
                assert!(to_edge.ends_with(SAID));
            }
            if done && shaken && flags & 2 == 0 {
                read_as_the_client(stream, &to_client, limits);
            }
        }
        (whole, pieced) => assert_eq!(whole, pieced),
    }
});

type Opened = (bool, Vec<u8>, Vec<u8>);

fn run<'a>(
    limits: Limits,
    story: &Story,
    shaken: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Result<Opened, Error> {
    let mut to_edge = Vec::new();
    let mut opening = Opening::new(story.clone(), limits, &mut to_edge);
    let mut done = false;
    if shaken {
        done = opening.receive(&HANDSHAKE, &mut to_edge)?;
    }
    for piece in pieces {
        done = opening.receive(piece, &mut to_edge)?;
    }
    Ok((done, opening.into_bytes(), to_edge))
}

/// No answer to transactions 1 and 2 is left of the first of each.
fn read_as_the_client(sent: &[u8], came: &[u8], limits: Limits) {
    let answers = |bytes: &[u8]| {
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
    let (sent, came) = (answers(sent), answers(came));
    assert_eq!(sent.len(), came.len());
    for transaction in [1.0, 2.0] {
        let count = |all: &[f64]| all.iter().filter(|one| **one == transaction).count();
        assert_eq!(count(&came) + 1, count(&sent));
    }
}
