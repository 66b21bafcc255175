//! A PROXY protocol header is parsed to a final result, which does not depend on the fragments, from a bounded number
//! of bytes. Its addresses are unchanged after they are written and parsed again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::proxy_protocol::{MAX_LENGTH, Parsed, parse, write_v1, write_v2};
use weir_fuzz::script::fragments;

fuzz_target!(|input: &[u8]| {
    let Some((stream, fragments)) = fragments(input) else { return };
    let mut before = Parsed::NeedMore;
    let mut end = 0;
    for fragment in fragments {
        end += fragment.len();
        let parsed = parse(&stream[..end]);
        assert!(before == Parsed::NeedMore || parsed == before, "a result is not final");
        before = parsed;
    }
    match before {
        Parsed::NeedMore => {
            let mut endless = stream.to_vec();
            endless.resize(MAX_LENGTH.max(stream.len()), stream.last().copied().unwrap_or(b'x'));
            assert_ne!(parse(&endless), Parsed::NeedMore, "no result within the limit");
        }
        Parsed::Complete { addresses, is_local, length } => {
            assert!(length <= stream.len().min(MAX_LENGTH), "the header is longer than the input");
            assert_eq!(parse(&stream[..length]), before, "the result depends on later bytes");
            assert_eq!(parse(&stream[..length - 1]), Parsed::NeedMore, "the header ends earlier");
            assert!(!is_local || addresses.is_none(), "LOCAL has no addresses");
            let Some(addresses) = addresses else { return };
            for write in [write_v1, write_v2] {
                let mut written = Vec::new();
                write(&addresses, &mut written);
                let length = written.len();
                let expected = Parsed::Complete { addresses: Some(addresses), is_local: false, length };
                assert_eq!(parse(&written), expected, "the addresses are changed");
            }
        }
        Parsed::Invalid(_) => {}
    }
});
