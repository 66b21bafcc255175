//! Detects the protocol of a TCP connection from its first bytes.
//!
//! One port serves every protocol, so the listener inspects the first bytes before it passes the connection to a front.
//! Nothing is consumed: the front reads the same bytes again. What identifies each protocol is in the table of
//! [`protocols`](crate::protocols).
//!
//! | first bytes | protocol |
//! |---|---|
//! | `0x03`, `0x06` | RTMP, and RTMPE, which the RTMP front answers with plain RTMP |
//! | `0x16` | TLS: a handshake record (RFC 8446 section 5.1) |
//! | a method that only one protocol has, and a space | that protocol |
//! | any other method, and a target that begins with `rtsp://` | RTSP |
//! | any other method, a target, and `RTSP/` or `HTTP/` | that protocol |
//!
//! `OPTIONS` belongs to both RTSP and HTTP, so its target or its version decides. The version number is ignored: a
//! front can refuse an unsupported one with an answer, detection cannot.

use weir_fleet::Protocol;

use crate::protocols::{Entry, Signature, TABLE};

/// Maximum length of a request line, in bytes, that is inspected.
///
/// Only a line with a method of several protocols or an unknown one is read this far: `OPTIONS` on a long signed HTTP
/// URL, which browsers send before a cross-origin request. 8 KiB is what common HTTP servers accept as a request line.
pub const LINE_LIMIT: usize = 8 * 1024;

/// Maximum length of a method in bytes. `GET_PARAMETER` has 13; the longest registered HTTP method has 17.
pub const METHOD_LIMIT: usize = 24;

/// Maximum number of CR and LF bytes that are skipped before the request line.
///
/// RFC 9112 section 2.2 and RFC 2326 section 4.1 ask servers to ignore an empty line there.
pub const LEADING_NEWLINES_LIMIT: usize = 8;

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// The outcome of detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// One of the protocols, in any version.
    Protocol(Protocol),
    /// The start of a TLS handshake.
    Tls,
    /// Not enough bytes yet; call again with more. Never returned for [`LEADING_NEWLINES_LIMIT`] + [`LINE_LIMIT`] bytes
    /// and the five of `RTSP/`, or more.
    NeedMore,
    /// None of these. Further bytes cannot change it.
    Unknown,
}

/// Incremental detection that remembers how far it has read.
///
/// Each byte is inspected once, however a client segments its bytes, so that one-byte segments do not cause much work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detector {
    /// The number of bytes that need not be inspected again.
    read: usize,
    /// The part of the line that `read` is in.
    part: Part,
}

/// A part of the first line.
#[derive(Debug, Clone, Copy, Default)]
enum Part {
    /// The very first byte, or newlines before the request line.
    #[default]
    Newlines,
    /// The method, which starts at this offset.
    Method(usize),
    /// The target, which starts at offset `target` of a line that starts at `line`.
    Target { line: usize, target: usize },
    /// The version, which starts at this offset.
    Version(usize),
    /// Detection is complete.
    Decided(Detection),
}

impl Detector {
    /// Detects the protocol from `bytes`: *all* bytes of the connection so far, not only the new ones.
    ///
    /// Each call must pass the same bytes as the one before, and may pass more. Once the result is not
    /// [`Detection::NeedMore`], it never changes.
    pub fn advance(&mut self, bytes: &[u8]) -> Detection {
        loop {
            let outcome = match self.part {
                Part::Newlines => self.newlines(bytes),
                Part::Method(start) => self.method(bytes, start),
                Part::Target { line, target } => self.target(bytes, line, target),
                Part::Version(start) => Some(version(bytes, start)),
                Part::Decided(detection) => return detection,
            };
            match outcome {
                None => {}
                Some(Detection::NeedMore) => return Detection::NeedMore,
                Some(detection) => self.part = Part::Decided(detection),
            }
        }
    }

    /// Skips newlines; returns `None` at the start of the method.
    fn newlines(&mut self, bytes: &[u8]) -> Option<Detection> {
        let Some(&byte) = bytes.get(self.read) else {
            return Some(Detection::NeedMore);
        };
        // Binary protocols start with the very first byte; after a newline their bytes mean nothing.
        if self.read == 0 {
            if byte == TLS_HANDSHAKE {
                return Some(Detection::Tls);
            }
            if let Some(protocol) = protocol_of_first_byte(byte) {
                return Some(Detection::Protocol(protocol));
            }
        }
        if matches!(byte, b'\r' | b'\n') && self.read < LEADING_NEWLINES_LIMIT {
            self.read += 1;
        } else {
            self.part = Part::Method(self.read);
        }
        None
    }

    /// Reads the method, which starts at `start`; returns `None` after one that does not identify a protocol.
    fn method(&mut self, bytes: &[u8], start: usize) -> Option<Detection> {
        while let Some(&byte) = bytes.get(self.read) {
            let length = self.read - start;
            if byte == b' ' && length > 0 {
                if let Some(protocol) = protocol_of_method(&bytes[start..self.read]) {
                    return Some(Detection::Protocol(protocol));
                }
                self.read += 1;
                self.part = Part::Target { line: start, target: self.read };
                return None;
            }
            if !is_token(byte) || length == METHOD_LIMIT {
                return Some(Detection::Unknown);
            }
            self.read += 1;
        }
        Some(Detection::NeedMore)
    }

    /// Reads the target; returns `None` after one that does not identify a protocol.
    fn target(&mut self, bytes: &[u8], line: usize, target: usize) -> Option<Detection> {
        while let Some(&byte) = bytes.get(self.read) {
            if byte == b' ' && self.read > target {
                self.read += 1;
                self.part = Part::Version(self.read);
                return None;
            }
            if !byte.is_ascii_graphic() || self.read - line >= LINE_LIMIT {
                return Some(Detection::Unknown);
            }
            self.read += 1;
            // A scheme is complete at the slashes after it.
            if byte == b'/'
                && let Some(scheme) = bytes[target..self.read].strip_suffix(b"://")
                && let Some(protocol) = protocol_of_absolute_target(scheme)
            {
                return Some(Detection::Protocol(protocol));
            }
        }
        Some(Detection::NeedMore)
    }
}

/// Detects the protocol from the version, which starts at `start`.
fn version(bytes: &[u8], start: usize) -> Detection {
    let found = &bytes[start..];
    let mut detection = Detection::Unknown;
    for entry in &TABLE {
        let Signature::RequestLine { version, .. } = entry.signature else { continue };
        if found.starts_with(version) {
            return Detection::Protocol(entry.protocol);
        }
        if version.starts_with(found) {
            detection = Detection::NeedMore;
        }
    }
    detection
}

fn protocol_of_first_byte(byte: u8) -> Option<Protocol> {
    find(|entry| matches!(entry.signature, Signature::FirstByte(bytes) if bytes.contains(&byte)))
}

fn protocol_of_method(method: &[u8]) -> Option<Protocol> {
    find(|entry| matches!(entry.signature, Signature::RequestLine { methods, .. } if methods.contains(&method)))
}

fn protocol_of_absolute_target(scheme: &[u8]) -> Option<Protocol> {
    find(|entry| {
        matches!(entry.signature, Signature::RequestLine { absolute_targets: true, .. })
            && entry.protocol.schemes().any(|known| known.as_str().as_bytes().eq_ignore_ascii_case(scheme))
    })
}

fn find(is_match: impl Fn(&Entry) -> bool) -> Option<Protocol> {
    TABLE.iter().find(|entry| is_match(entry)).map(|entry| entry.protocol)
}

/// Whether `byte` may be part of a method (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HTTP: Detection = Detection::Protocol(Protocol::Http);
    const RTMP: Detection = Detection::Protocol(Protocol::Rtmp);
    const RTSP: Detection = Detection::Protocol(Protocol::Rtsp);

    fn detect(bytes: &[u8]) -> Detection {
        Detector::default().advance(bytes)
    }

    /// The result after each byte when `bytes` arrive one by one.
    fn byte_by_byte(bytes: &[u8]) -> Vec<Detection> {
        let mut detector = Detector::default();
        (0..=bytes.len()).map(|end| detector.advance(&bytes[..end])).collect()
    }

    /// The number of bytes after which the protocol is decided.
    fn decided_after(bytes: &[u8]) -> usize {
        byte_by_byte(bytes).iter().position(|&detection| detection != Detection::NeedMore).expect("decided")
    }

    #[test]
    fn binary_protocols_are_detected_by_their_first_byte() {
        assert_eq!(detect(b"\x03"), RTMP);
        assert_eq!(detect(b"\x06\0\0\0\0"), RTMP);
        assert_eq!(detect(b"\x16\x03\x01"), Detection::Tls);
    }

    #[test]
    fn nothing_is_decided_before_the_first_byte() {
        assert_eq!(detect(b""), Detection::NeedMore);
    }

    #[test]
    fn a_method_of_one_protocol_decides_at_the_space_after_it() {
        for entry in &TABLE {
            let Signature::RequestLine { methods, .. } = entry.signature else { continue };
            for method in methods {
                let line = [method, &b" "[..]].concat();
                let seen = byte_by_byte(&line);
                assert_eq!(seen.last(), Some(&Detection::Protocol(entry.protocol)));
                assert!(seen[..line.len()].iter().all(|&detection| detection == Detection::NeedMore));
            }
        }
    }

    #[test]
    fn get_parameter_is_rtsp_and_get_is_http() {
        assert_eq!(detect(b"GET"), Detection::NeedMore);
        assert_eq!(detect(b"GET /x HTTP/1.1\r\n"), HTTP);
        assert_eq!(detect(b"GET_PARAMETER /x"), RTSP);
    }

    #[test]
    fn options_is_detected_by_its_version() {
        assert_eq!(detect(b"OPTIONS * RTSP/1.0\r\n"), RTSP);
        assert_eq!(detect(b"OPTIONS /live RTSP/2.0\r\n"), RTSP);
        assert_eq!(detect(b"OPTIONS * HTTP/1.1\r\n"), HTTP);
        assert_eq!(detect(b"OPTIONS /live HTT"), Detection::NeedMore);
        assert_eq!(detect(b"OPTIONS * SIP/2.0\r\n"), Detection::Unknown);
    }

    #[test]
    fn options_is_detected_by_an_rtsp_target() {
        for scheme in ["rtsp", "RTSP", "rtsps", "rtspu", "rtspt"] {
            let line = format!("OPTIONS {scheme}://");
            assert_eq!(detect(line.as_bytes()), RTSP);
            assert_eq!(decided_after(line.as_bytes()), line.len());
        }
        let line = b"OPTIONS http://host/rtsp:// HTTP/1.1";
        assert_eq!(detect(line), HTTP);
    }

    #[test]
    fn an_unknown_method_is_detected_by_its_version() {
        assert_eq!(detect(b"PROPFIND /x HTTP/1.1"), HTTP);
        assert_eq!(detect(b"X-LIST /x RTSP/1.0"), RTSP);
    }

    #[test]
    fn the_http2_preface_is_http() {
        assert_eq!(detect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP);
    }

    #[test]
    fn junk_is_unknown_at_its_first_bad_byte() {
        assert_eq!(detect(b"\0"), Detection::Unknown);
        assert_eq!(detect(b"\xff\xfe"), Detection::Unknown);
        assert_eq!(detect(b" GET / HTTP/1.1"), Detection::Unknown);
        assert_eq!(decided_after(b"AB\x80DE F"), 3);
        assert_eq!(decided_after(b"OPTIONS /\x01"), 10);
        assert_eq!(decided_after(b"SSH-2.0-OpenSSH_9.2\r\n"), 20);
        assert_eq!(detect(b"OPTIONS  / HTTP/1.1"), Detection::Unknown);
    }

    #[test]
    fn a_few_leading_newlines_are_skipped() {
        assert_eq!(detect(b"\r\n\r\nGET / HTTP/1.1"), HTTP);
        assert_eq!(detect(b"\nDESCRIBE rtsp://x"), RTSP);
        assert_eq!(detect(&[b'\n'; LEADING_NEWLINES_LIMIT]), Detection::NeedMore);
        assert_eq!(detect(&[b'\n'; LEADING_NEWLINES_LIMIT + 1]), Detection::Unknown);
        assert_eq!(detect(b"\r\n\x03"), Detection::Unknown);
        assert_eq!(detect(b"\r\n\x16"), Detection::Unknown);
    }

    #[test]
    fn a_long_method_is_unknown() {
        assert_eq!(detect(&[b'A'; METHOD_LIMIT]), Detection::NeedMore);
        assert_eq!(detect(&[b'A'; METHOD_LIMIT + 1]), Detection::Unknown);
    }

    #[test]
    fn an_endless_target_is_unknown_at_the_limit() {
        let mut line = b"OPTIONS /".to_vec();
        line.resize(LINE_LIMIT, b'x');
        assert_eq!(detect(&line), Detection::NeedMore);
        line.resize(LINE_LIMIT + 1, b'x');
        assert_eq!(detect(&line), Detection::Unknown);
        line.resize(1 << 20, b'x');
        assert_eq!(decided_after(&line), LINE_LIMIT + 1);
    }

    #[test]
    fn an_endless_rtsp_target_is_rtsp() {
        let mut line = b"OPTIONS rtsp://host/".to_vec();
        line.resize(1 << 20, b'x');
        assert_eq!(detect(&line), RTSP);
    }

    #[test]
    fn each_byte_is_read_once() {
        let mut line = b"OPTIONS /".to_vec();
        line.resize(LINE_LIMIT, b'x');
        let mut detector = Detector::default();
        for end in 0..=line.len() {
            assert_eq!(detector.advance(&line[..end]), Detection::NeedMore);
            // Reading resumes at `read`: at the end, only the new byte is left for the next call.
            assert_eq!(detector.read, end);
        }
    }

    #[test]
    fn real_clients_are_detected() {
        for bytes in [
            &include_bytes!("rtsp/fixtures/curl-7.88.1-options.rtsp")[..],
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-play.rtsp"),
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-play-no-path.rtsp"),
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-publish.rtsp"),
            include_bytes!("rtsp/fixtures/gstreamer-1.22.0-rtspsrc.rtsp"),
            include_bytes!("rtsp/fixtures/gstreamer-1.22.0-rtspclientsink.rtsp"),
        ] {
            assert_eq!(detect(bytes), RTSP);
            assert!(decided_after(bytes) <= 19);
        }
        for bytes in [
            &include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-tunnel-get.http")[..],
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-tunnel-post.http"),
            include_bytes!("rtsp/fixtures/gstreamer-1.22.0-tunnel-get.http"),
        ] {
            assert_eq!(detect(bytes), HTTP);
            assert!(decided_after(bytes) <= 5);
        }
    }

    proptest! {
        #[test]
        fn a_decision_is_final_and_independent_of_segmentation(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                "(\r\n){0,5}(OPTIONS|GET|PLAY|X) (rtsp://|/|\\*|http://)[a-z/]{0,9} (RTSP|HTTP|SIP)/1.0"
                    .prop_map(String::into_bytes),
            ],
        ) {
            let seen = byte_by_byte(&bytes);
            for (end, &detection) in seen.iter().enumerate() {
                prop_assert_eq!(detection, detect(&bytes[..end]));
                if end > 0 && seen[end - 1] != Detection::NeedMore {
                    prop_assert_eq!(detection, seen[end - 1]);
                }
            }
        }
    }
}
