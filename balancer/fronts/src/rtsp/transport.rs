//! The `Transport` header of a `SETUP` (RFC 2326 section 12.39): the transports that a client offers for media.

use super::header::{lines, parse_header};

/// The transports of a `SETUP` that a relay of one TCP connection can forward.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// All of them, or the header has none.
    Supported,
    /// Some of them: the head with those alone.
    PartlySupported(Vec<u8>),
    /// None of them: media would not be sent on the connection.
    Unsupported,
}

impl Offer {
    /// Returns the offer in the complete head of a `SETUP`.
    pub(super) fn of(head: &[u8]) -> Self {
        let (mut supported, mut unsupported) = (0_usize, 0_usize);
        for transport in lines(head).filter_map(parse_transport).flat_map(specifications) {
            if is_over_tcp(transport) { supported += 1 } else { unsupported += 1 }
        }
        match (supported, unsupported) {
            (_, 0) => Self::Supported,
            (0, _) => Self::Unsupported,
            _ => Self::PartlySupported(with_tcp_only(head)),
        }
    }
}

/// Returns the head with the TCP transports of its `Transport` headers alone.
fn with_tcp_only(head: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(head.len());
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        let Some(value) = parse_transport(line.trim_ascii_end()) else {
            kept.extend_from_slice(line);
            continue;
        };
        let over_tcp: Vec<_> = specifications(value).filter(|specification| is_over_tcp(specification)).collect();
        if !over_tcp.is_empty() {
            kept.extend_from_slice(b"Transport: ");
            kept.extend_from_slice(&over_tcp.join(&b","[..]));
            kept.extend_from_slice(b"\r\n");
        }
    }
    kept
}

/// Returns the value of a header line, if it is a `Transport` header.
fn parse_transport(line: &[u8]) -> Option<&[u8]> {
    parse_header(line).filter(|(name, _)| name.eq_ignore_ascii_case(b"Transport")).map(|(_, value)| value)
}

/// Returns the transport specifications of a value, the preferred one first. They are separated by commas; a quoted
/// mode may contain commas too.
fn specifications(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let parts = value.split(move |&byte| {
        is_quoted ^= byte == b'"';
        byte == b',' && !is_quoted
    });
    parts.map(<[u8]>::trim_ascii).filter(|specification| !specification.is_empty())
}

/// Returns whether a transport uses the RTSP connection: `RTP/AVP/TCP` with any profile, or `interleaved`.
fn is_over_tcp(specification: &[u8]) -> bool {
    let mut parts = specification.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let lower = parts.next().and_then(|protocol| protocol.rsplit(|&byte| byte == b'/').next());
    lower.is_some_and(|lower| lower.eq_ignore_ascii_case(b"TCP"))
        || parts.any(|part| part.len() >= 11 && part[..11].eq_ignore_ascii_case(b"interleaved"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offer(transports: &[&str]) -> Offer {
        Offer::of(&setup(transports))
    }

    fn setup(transports: &[&str]) -> Vec<u8> {
        let lines: String = transports.iter().map(|transport| format!("Transport: {transport}\r\n")).collect();
        format!("SETUP rtsp://h/x/streamid=0 RTSP/1.0\r\nCSeq: 3\r\n{lines}\r\n").into_bytes()
    }

    #[test]
    fn transports_on_the_connection_are_supported() {
        for transport in [
            "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record",
            "rtp/savpf/tcp;unicast",
            "RTP/AVP; unicast; Interleaved=0-1",
            "x-real-rdt/tcp;mode=play",
            "RTP/AVP/TCP;unicast;mode=\"PLAY,RECORD\",RTP/AVP/TCP;interleaved=2-3",
            "",
        ] {
            assert_eq!(offer(&[transport]), Offer::Supported, "{transport}");
        }
        assert_eq!(offer(&[]), Offer::Supported, "the edge rejects it");
    }

    #[test]
    fn transports_over_udp_are_not_supported() {
        for transport in [
            "RTP/AVP;unicast;client_port=5000-5001",
            "RTP/AVP/UDP;unicast;client_port=5000-5001;mode=record",
            "RTP/AVP;multicast",
            "x-real-rdt/udp;client_port=6970;mode=\"play,x/tcp\"",
            "RAW/RAW/UDP;unicast, RTP/AVP;multicast",
        ] {
            assert_eq!(offer(&[transport]), Offer::Unsupported, "{transport}");
        }
    }

    #[test]
    fn unsupported_transports_are_removed() {
        let expected = Offer::PartlySupported(setup(&["RTP/AVP/TCP;interleaved=0-1,RTP/SAVP/TCP"]));
        for transports in [
            &["RTP/AVP;unicast;client_port=5-6, RTP/AVP/TCP;interleaved=0-1,RTP/SAVP/TCP"][..],
            &["RTP/AVP/TCP;interleaved=0-1,RTP/AVP;mode=\"PLAY,RECORD\" ,RTP/SAVP/TCP"],
            &["RTP/AVP;client_port=5-6", "RTP/AVP/TCP;interleaved=0-1, RTP/SAVP/TCP"],
        ] {
            assert_eq!(offer(transports), expected, "{transports:?}");
        }
    }

    proptest! {
        #[test]
        fn kept_transports_are_supported(transports in prop::collection::vec("(RTP/AVP(/TCP|/UDP)?[;,= \"a-z0-9]{0,12}){0,3}", 0..3)) {
            let transports: Vec<&str> = transports.iter().map(String::as_str).collect();
            if let Offer::PartlySupported(head) = offer(&transports) {
                prop_assert_eq!(Offer::of(&head), Offer::Supported);
            }
        }
    }
}
