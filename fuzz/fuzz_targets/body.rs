//! A body is a report, an ack, or an error; and what can be read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_protocol::codec;

/// Longer than a body may be: a reader takes shorter forms of a number than the writer writes.
const ROOM: usize = 4096;

fuzz_target!(|body: &[u8]| {
    let mut output = [0; ROOM];
    if let Ok(report) = codec::decode(body) {
        let length = codec::encode(&report, &mut output).expect("a report's lists and texts are bounded");
        assert_eq!(codec::decode(&output[..length]).expect("what is written can be read"), report);
    }
    if let Ok(ack) = codec::decode_ack(body) {
        let length = codec::encode_ack(&ack, &mut output).expect("an ack's texts are bounded");
        assert_eq!(codec::decode_ack(&output[..length]).expect("what is written can be read"), ack);
    }
});
