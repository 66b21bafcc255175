//! Which protocol a TCP connection speaks, told from its first bytes.
//!
//! One port serves them all, so the listener looks before it hands the connection on. Nothing is
//! consumed: the front that is chosen reads the same bytes again.
//!
//! | first bytes | protocol |
//! |---|---|
//! | `0x03`, `0x06` | RTMP, and RTMPE, which the RTMP front answers with plain RTMP |
//! | `0x16` | TLS: a handshake record (RFC 8446 section 5.1) |
//! | a method that only one protocol has, and a space | that protocol |
//! | any other method, and a target that says `rtsp://` | RTSP |
//! | any other method, a target, and `RTSP/` or `HTTP/` | that protocol |
//!
//! `OPTIONS` belongs to both RTSP and HTTP, so its target or its version has to tell. The version
//! number is not looked at: the front can refuse a bad one with an answer, detection cannot.

/// Longest request line, in bytes, that is read before giving up on telling its protocol.
///
/// Only a line that starts with a method of both protocols (or of none we know) is ever read this
/// far: `OPTIONS` on a long signed HTTP URL, which is what a browser sends before a cross-origin
/// request. 8 KiB is what common HTTP servers take for a request line.
pub const LINE_LIMIT: usize = 8 * 1024;

/// Longest method in bytes. `GET_PARAMETER` has 13; the longest registered HTTP method has 17.
pub const METHOD_LIMIT: usize = 24;

/// Most CR and LF bytes that are skipped before the request line.
///
/// RFC 9112 section 2.2 and RFC 2326 section 4.1 ask servers to ignore an empty line there.
pub const LEADING_NEWLINES_LIMIT: usize = 8;

/// Methods that only RTSP has (RFC 2326 section 10, RFC 7826 section 13).
const RTSP_METHODS: [&[u8]; 11] = [
    b"DESCRIBE",
    b"SETUP",
    b"PLAY",
    b"ANNOUNCE",
    b"RECORD",
    b"PAUSE",
    b"TEARDOWN",
    b"GET_PARAMETER",
    b"SET_PARAMETER",
    b"REDIRECT",
    b"PLAY_NOTIFY",
];

/// Methods that only HTTP has (RFC 9110 section 9.3, RFC 5789), and the HTTP/2 preface's.
const HTTP_METHODS: [&[u8]; 9] = [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"PATCH", b"CONNECT", b"TRACE", b"PRI"];

/// Starts of a target that only RTSP has, in lower case; `rtspu` and `rtspt` are Microsoft's.
const RTSP_TARGETS: [&[u8]; 4] = [b"rtsp://", b"rtsps://", b"rtspu://", b"rtspt://"];

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detection {
    /// RTMP, or RTMPE.
    Rtmp,
    /// RTSP, of any version.
    Rtsp,
    /// HTTP/1, or the preface of HTTP/2 without TLS.
    Http,
    /// The start of a TLS handshake.
    Tls,
    /// Not enough bytes yet: ask again when more have come. Never said once the client has sent
    /// [`LEADING_NEWLINES_LIMIT`] + [`LINE_LIMIT`] bytes and the five of `RTSP/`.
    NeedMore,
    /// None of these protocols. Further bytes cannot change it.
    Unknown,
}

/// Detection that remembers how far it has read.
///
/// However small the pieces in which a client sends, each byte is looked at once, so that a client
/// cannot buy much work with one-byte segments.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detector {
    /// Bytes that need not be looked at again.
    read: usize,
    /// The part of the line that `read` is in.
    part: Part,
}

/// The part of the first line that is being read.
#[derive(Debug, Clone, Copy, Default)]
enum Part {
    /// The very first byte, or newlines before the request line.
    #[default]
    Newlines,
    /// The method, which starts at this offset.
    Method(usize),
    /// The target of a request whose line starts at `line` and whose target starts at `target`.
    Target { line: usize, target: usize },
    /// What follows the second space, starting at this offset.
    Version(usize),
    /// Nothing more is read.
    Decided(Detection),
}

impl Detector {
    /// Tells the protocol from `bytes`: *all* bytes of the connection so far, not only the new ones.
    ///
    /// Calls must be made with the same bytes, each time longer or equally long. Once something
    /// other than [`Detection::NeedMore`] is returned it is returned for ever.
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

    /// Skips newlines; nothing is returned when the method starts.
    fn newlines(&mut self, bytes: &[u8]) -> Option<Detection> {
        let Some(&byte) = bytes.get(self.read) else {
            return Some(Detection::NeedMore);
        };
        match byte {
            // Binary protocols start at the first byte; after a newline these are junk.
            0x03 | 0x06 if self.read == 0 => Some(Detection::Rtmp),
            0x16 if self.read == 0 => Some(Detection::Tls),
            b'\r' | b'\n' if self.read < LEADING_NEWLINES_LIMIT => {
                self.read += 1;
                None
            }
            _ => {
                self.part = Part::Method(self.read);
                None
            }
        }
    }

    /// Reads the method, which starts at `start`; nothing is returned when it fits both protocols.
    fn method(&mut self, bytes: &[u8], start: usize) -> Option<Detection> {
        while let Some(&byte) = bytes.get(self.read) {
            let length = self.read - start;
            if byte == b' ' && length > 0 {
                let method = &bytes[start..self.read];
                if RTSP_METHODS.contains(&method) {
                    return Some(Detection::Rtsp);
                }
                if HTTP_METHODS.contains(&method) {
                    return Some(Detection::Http);
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

    /// Reads the target; nothing is returned when it ends without telling the protocol.
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
            // All of RTSP_TARGETS end in a slash, so only there can one have become complete.
            if byte == b'/' && is_rtsp_target(&bytes[target..self.read]) {
                return Some(Detection::Rtsp);
            }
        }
        Some(Detection::NeedMore)
    }
}

/// Tells the protocol from the version, which starts at `start`. At most five bytes are read.
fn version(bytes: &[u8], start: usize) -> Detection {
    let version = &bytes[start..bytes.len().min(start + b"RTSP/".len())];
    match version {
        b"RTSP/" => Detection::Rtsp,
        b"HTTP/" => Detection::Http,
        _ if b"RTSP/".starts_with(version) || b"HTTP/".starts_with(version) => Detection::NeedMore,
        _ => Detection::Unknown,
    }
}

/// Whether `target` is exactly the start of an RTSP URL.
fn is_rtsp_target(target: &[u8]) -> bool {
    RTSP_TARGETS.iter().any(|start| target.eq_ignore_ascii_case(start))
}

/// Whether `byte` may stand in a method (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detect(bytes: &[u8]) -> Detection {
        Detector::default().advance(bytes)
    }

    /// What is said after each byte when `bytes` come one at a time.
    fn byte_by_byte(bytes: &[u8]) -> Vec<Detection> {
        let mut detector = Detector::default();
        (0..=bytes.len()).map(|end| detector.advance(&bytes[..end])).collect()
    }

    /// The number of bytes after which `bytes` are decided.
    fn decided_after(bytes: &[u8]) -> usize {
        byte_by_byte(bytes).iter().position(|&detection| detection != Detection::NeedMore).expect("decided")
    }

    #[test]
    fn binary_protocols_are_told_by_their_first_byte() {
        assert_eq!(detect(b"\x03"), Detection::Rtmp);
        assert_eq!(detect(b"\x06\0\0\0\0"), Detection::Rtmp);
        assert_eq!(detect(b"\x16\x03\x01"), Detection::Tls);
    }

    #[test]
    fn nothing_is_decided_before_the_first_byte() {
        assert_eq!(detect(b""), Detection::NeedMore);
    }

    #[test]
    fn every_unique_method_decides_at_its_space() {
        for (methods, expected) in [(&RTSP_METHODS[..], Detection::Rtsp), (&HTTP_METHODS[..], Detection::Http)] {
            for method in methods {
                let line = [method, &b" "[..]].concat();
                let seen = byte_by_byte(&line);
                assert_eq!(seen.last(), Some(&expected));
                assert!(seen[..line.len()].iter().all(|&detection| detection == Detection::NeedMore));
            }
        }
    }

    #[test]
    fn get_parameter_is_rtsp_and_get_is_http() {
        assert_eq!(detect(b"GET"), Detection::NeedMore);
        assert_eq!(detect(b"GET /x HTTP/1.1\r\n"), Detection::Http);
        assert_eq!(detect(b"GET_PARAMETER /x"), Detection::Rtsp);
    }

    #[test]
    fn options_is_told_by_its_version() {
        assert_eq!(detect(b"OPTIONS * RTSP/1.0\r\n"), Detection::Rtsp);
        assert_eq!(detect(b"OPTIONS /live RTSP/2.0\r\n"), Detection::Rtsp);
        assert_eq!(detect(b"OPTIONS * HTTP/1.1\r\n"), Detection::Http);
        assert_eq!(detect(b"OPTIONS /live HTT"), Detection::NeedMore);
        assert_eq!(detect(b"OPTIONS * SIP/2.0\r\n"), Detection::Unknown);
    }

    #[test]
    fn options_is_told_by_an_rtsp_target() {
        for scheme in ["rtsp", "RTSP", "rtsps", "rtspu", "rtspt"] {
            let line = format!("OPTIONS {scheme}://");
            assert_eq!(detect(line.as_bytes()), Detection::Rtsp);
            assert_eq!(decided_after(line.as_bytes()), line.len());
        }
        let line = b"OPTIONS http://host/rtsp:// HTTP/1.1";
        assert_eq!(detect(line), Detection::Http);
    }

    #[test]
    fn an_unknown_method_is_told_by_its_version() {
        assert_eq!(detect(b"PROPFIND /x HTTP/1.1"), Detection::Http);
        assert_eq!(detect(b"X-LIST /x RTSP/1.0"), Detection::Rtsp);
    }

    #[test]
    fn the_http2_preface_is_http() {
        assert_eq!(detect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Detection::Http);
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
        assert_eq!(detect(b"\r\n\r\nGET / HTTP/1.1"), Detection::Http);
        assert_eq!(detect(b"\nDESCRIBE rtsp://x"), Detection::Rtsp);
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
        assert_eq!(detect(&line), Detection::Rtsp);
    }

    #[test]
    fn byte_by_byte_each_byte_is_read_once() {
        let mut line = b"OPTIONS /".to_vec();
        line.resize(LINE_LIMIT, b'x');
        let mut detector = Detector::default();
        for end in 0..=line.len() {
            assert_eq!(detector.advance(&line[..end]), Detection::NeedMore);
            // Reading starts at `read`, so that it has reached the end means that only the new
            // byte is left for the next call.
            assert_eq!(detector.read, end);
        }
    }

    #[test]
    fn real_clients_are_told() {
        for bytes in [
            &include_bytes!("rtsp/fixtures/curl-7.88.1-options.rtsp")[..],
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-play.rtsp"),
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-play-no-path.rtsp"),
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-publish.rtsp"),
            include_bytes!("rtsp/fixtures/gstreamer-1.22.0-rtspsrc.rtsp"),
            include_bytes!("rtsp/fixtures/gstreamer-1.22.0-rtspclientsink.rtsp"),
        ] {
            assert_eq!(detect(bytes), Detection::Rtsp);
            assert!(decided_after(bytes) <= 19);
        }
        for bytes in [
            &include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-tunnel-get.http")[..],
            include_bytes!("rtsp/fixtures/ffmpeg-5.1.9-tunnel-post.http"),
            include_bytes!("rtsp/fixtures/gstreamer-1.22.0-tunnel-get.http"),
        ] {
            assert_eq!(detect(bytes), Detection::Http);
            assert!(decided_after(bytes) <= 5);
        }
    }

    proptest! {
        #[test]
        fn a_decision_stands_and_pieces_do_not_matter(
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
