//! Any body is a report, an ack, or an error; and each that can be read survives a round trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_protocol::codec;

/// More than the maximum length of a body: readers accept shorter forms of numbers than the writer writes.
const ROOM: usize = 4096;

fuzz_target!(|body: &[u8]| {
    let mut output = [0; ROOM];
    if let Ok(report) = codec::decode_report(body) {
        let length = codec::encode_report(&report, &mut output).expect("a report's lists and texts are bounded");
        assert_eq!(codec::decode_report(&output[..length]).expect("an encoded report can be decoded"), report);
    }
    if let Ok(ack) = codec::decode_ack(body) {
        let length = codec::encode_ack(&ack, &mut output).expect("an ack's texts are bounded");
        assert_eq!(codec::decode_ack(&output[..length]).expect("an encoded ack can be decoded"), ack);
    }
});
