//! A header of the PROXY protocol is told the same from any pieces, once and for all, and early enough; what it says can be
//! written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::proxy_protocol::{MAX_LENGTH, Parsed, parse, write_v1, write_v2};
use weir_fuzz::script::pieces;

fuzz_target!(|input: &[u8]| {
    let Some((stream, pieces)) = pieces(input) else { return };
    let mut before = Parsed::NeedMore;
    let mut end = 0;
    for piece in pieces {
        end += piece.len();
        let parsed = parse(&stream[..end]);
        assert!(before == Parsed::NeedMore || parsed == before, "a decision does not stand");
        before = parsed;
    }
    match before {
        Parsed::NeedMore => {
            let mut endless = stream.to_vec();
            endless.resize(MAX_LENGTH.max(stream.len()), stream.last().copied().unwrap_or(b'x'));
            assert_ne!(parse(&endless), Parsed::NeedMore, "no end to it");
        }
        Parsed::Complete { addresses, is_local, length } => {
            assert!(length <= stream.len().min(MAX_LENGTH), "longer than what there is");
            assert_eq!(parse(&stream[..length]), before, "it depends on what follows");
            assert_eq!(parse(&stream[..length - 1]), Parsed::NeedMore, "it ended earlier");
            assert!(!is_local || addresses.is_none(), "nobody is behind it");
            let Some(addresses) = addresses else { return };
            for write in [write_v1, write_v2] {
                let mut written = Vec::new();
                write(&addresses, &mut written);
                let length = written.len();
                let expected = Parsed::Complete { addresses: Some(addresses), is_local: false, length };
                assert_eq!(parse(&written), expected, "what was read cannot be written");
            }
        }
        Parsed::Invalid(_) => {}
    }
});
