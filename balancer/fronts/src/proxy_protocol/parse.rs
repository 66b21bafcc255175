//! Parses either version from the first bytes of a connection.

use crate::proxy_protocol::outcome::{Invalid, Parsed};
use crate::proxy_protocol::{v1, v2};

/// Maximum length of a header in bytes. That many bytes always suffice for a decision.
pub const MAX_LENGTH: usize = v2::MAX_LENGTH;

/// Parses the first bytes of a connection. Call it with *all* bytes received so far whenever more have arrived.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    if bytes.starts_with(v1::SIGNATURE) {
        v1::parse(bytes)
    } else if bytes.starts_with(v2::SIGNATURE) {
        v2::parse(bytes)
    } else if v1::SIGNATURE.starts_with(bytes) || v2::SIGNATURE.starts_with(bytes) {
        Parsed::NeedMore
    } else {
        Parsed::Invalid(Invalid::Signature)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use proptest::prelude::*;

    use super::*;
    use crate::proxy_protocol::{Addresses, write_v1, write_v2};

    fn addresses(source: &str, destination: &str) -> Addresses {
        Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    fn written(write: fn(&Addresses, &mut Vec<u8>), addresses: Addresses) -> Vec<u8> {
        let mut output = Vec::new();
        write(&addresses, &mut output);
        output
    }

    fn complete(addresses: Option<Addresses>, length: usize) -> Parsed {
        Parsed::Complete { addresses, is_local: false, length }
    }

    /// A version 2 header with this command, family and payload.
    fn v2_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = v2::SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        header.extend(rest);
        header
    }

    #[test]
    fn headers_are_written_as_specified() {
        let ipv4 = addresses("255.255.255.255:65535", "192.168.0.11:443");
        assert_eq!(written(write_v1, ipv4), b"PROXY TCP4 255.255.255.255 192.168.0.11 65535 443\r\n");
        let ipv6 = addresses("[2001:db8::1]:1", "[::1]:2");
        assert_eq!(written(write_v1, ipv6), b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
        let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        expected.extend([255, 255, 255, 255, 192, 168, 0, 11, 0xff, 0xff, 1, 187]);
        assert_eq!(written(write_v2, ipv4), expected);
        assert_eq!(written(write_v2, ipv6)[12..16], [0x21, 0x21, 0, 36]);
        // Both ends are written in one family, however the system represents them.
        let mixed = addresses("[::ffff:192.0.2.1]:1", "192.0.2.2:2");
        assert_eq!(written(write_v1, mixed), b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
        let apart = addresses("192.0.2.1:1", "[2001:db8::1]:2");
        assert_eq!(written(write_v1, apart), b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n");
    }

    #[test]
    fn a_header_without_a_client_address_is_valid() {
        for (bytes, length) in [
            (b"PROXY UNKNOWN\r\nGET".to_vec(), 15),
            (b"PROXY UNKNOWN whatever 1 2\r\n".to_vec(), 28),
            (v2_header(0x21, 0x00, b""), 16),
            (v2_header(0x21, 0x12, &[0; 12]), 28),
            (v2_header(0x21, 0x31, &[0; 216]), 232),
        ] {
            assert_eq!(parse(&bytes), complete(None, length), "{bytes:?}");
        }
        let health_check = v2_header(0x20, 0x11, &[1; 12]);
        assert_eq!(parse(&health_check), Parsed::Complete { addresses: None, is_local: true, length: 28 });
    }

    #[test]
    fn an_invalid_header_is_rejected_with_its_cause() {
        let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        for (bytes, invalid) in [
            (b"GET / HTTP/1.1".to_vec(), Invalid::Signature),
            (b"PROX ".to_vec(), Invalid::Signature),
            (b"\r\n\r\nQ".to_vec(), Invalid::Signature),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(), Invalid::Line),
            (b"PROXYTCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(), Invalid::Line),
            (b"PROXY\r\n".to_vec(), Invalid::Line),
            (b"PROXY \xff\r\n".to_vec(), Invalid::Line),
            (too_long.into_bytes(), Invalid::Line),
            (v2_header(0x11, 0x11, &[0; 12]), Invalid::Command),
            (v2_header(0x22, 0x11, &[0; 12]), Invalid::Command),
            (v2_header(0x21, 0x41, &[0; 12]), Invalid::Family),
            (v2_header(0x21, 0x13, &[0; 12]), Invalid::Family),
            (v2_header(0x21, 0x11, &[0; 11]), Invalid::Length),
            (v2_header(0x21, 0x21, &[0; 35]), Invalid::Length),
            (v2_header(0x21, 0x11, &[0; 4097]), Invalid::Length),
        ] {
            assert_eq!(parse(&bytes), Parsed::Invalid(invalid), "{bytes:?}");
        }
    }

    fn any_address() -> impl Strategy<Value = SocketAddr> {
        let ip = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
        (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
    }

    proptest! {
        #[test]
        fn a_written_header_is_read_back_from_any_segments(
            source in any_address(),
            destination in any_address(),
            client in any::<Vec<u8>>(),
        ) {
            let addresses = Addresses { source, destination };
            for write in [write_v1, write_v2] {
                let header = written(write, addresses);
                for end in 0..header.len() {
                    prop_assert_eq!(parse(&header[..end]), Parsed::NeedMore);
                }
                let expected = complete(Some(addresses), header.len());
                prop_assert_eq!(parse(&[&header[..], &client].concat()), expected);
            }
        }

        #[test]
        fn bytes_after_a_header_are_the_client_s(extensions in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut rest = vec![192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2];
            rest.extend(&extensions);
            let expected = addresses("192.0.2.1:1", "192.0.2.2:2");
            prop_assert_eq!(parse(&v2_header(0x21, 0x11, &rest)), complete(Some(expected), 28 + extensions.len()));
        }

        #[test]
        fn a_decision_is_final_and_made_within_the_maximum_length(bytes in any::<Vec<u8>>(), begins in 0..3) {
            let begin: &[u8] = [b"".as_slice(), b"PROXY ", v2::SIGNATURE][begins as usize];
            let mut bytes = [begin, &bytes].concat();
            bytes.resize(MAX_LENGTH, b'x');
            let decision = parse(&bytes);
            prop_assert_ne!(decision, Parsed::NeedMore);
            for end in 0..bytes.len().min(300) {
                let earlier = parse(&bytes[..end]);
                let is_final = earlier == Parsed::NeedMore || earlier == decision;
                prop_assert!(is_final, "{:?}, then {:?}", earlier, decision);
            }
        }
    }
}
