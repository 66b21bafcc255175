//! Why a connection ends without an edge, and what the client is told.

use thiserror::Error;

use super::request::RequestError;
use super::respond::Status;
use super::target::TargetError;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The head is not a proper request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The target of an `OPTIONS` or `DESCRIBE` is not a proper one.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// `DESCRIBE *` and the like: no stream to tell about.
    #[error("the request names no stream")]
    NoStream,
    /// A publisher, where nobody is relayed: none follows a redirect.
    #[error("publishing is not possible here")]
    Publisher,
    /// `REDIRECT`, which only servers may send.
    #[error("a client cannot redirect")]
    ClientRedirect,
    /// More requests than [`Limits::requests`](super::Limits::requests).
    #[error("too many requests on one connection")]
    TooManyRequests,
    /// More interleaved frames than [`Limits::frames`](super::Limits::frames).
    #[error("too many interleaved frames")]
    TooManyFrames,
}

impl Refusal {
    /// The status that the client is told.
    ///
    /// RTSP/1.0 has neither 431 nor 429. A head with too much in it and too many requests are 400:
    /// that is what a client has to take an unknown 4xx for (RFC 2326 section 7.1.1).
    pub fn status(self) -> Status {
        match self {
            Self::Request(RequestError::RequestLineTooLong) => Status::RequestUriTooLarge,
            Self::Request(RequestError::BodyTooLarge) => Status::RequestEntityTooLarge,
            Self::Request(RequestError::Version) => Status::VersionNotSupported,
            Self::Publisher | Self::ClientRedirect => Status::MethodNotAllowed,
            Self::Request(_) | Self::Target(_) | Self::NoStream | Self::TooManyRequests | Self::TooManyFrames => {
                Status::BadRequest
            }
        }
    }

    /// The cause as a metric label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Request(error) => error.reason(),
            Self::Target(error) => error.reason(),
            Self::NoStream => "no-stream",
            Self::Publisher => "publisher",
            Self::ClientRedirect => "client-redirect",
            Self::TooManyRequests => "too-many-requests",
            Self::TooManyFrames => "too-many-frames",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Session, Step};
    use super::*;

    /// Why a new session refuses `bytes`, and its answer.
    fn refused(bytes: &str) -> (Refusal, String) {
        let mut session = Session::new(Limits::default());
        let mut out = Vec::new();
        match session.step(&mut bytes.as_bytes(), "", &mut out) {
            Step::Refuse(refusal) => (refusal, String::from_utf8(out).expect("ASCII")),
            other => panic!("{bytes}: {other:?}"),
        }
    }

    #[test]
    fn each_refusal_is_reached_and_carries_the_cseq_if_known() {
        let long = "x".repeat(9000);
        let headers = "A: b\n".repeat(70);
        for (bytes, status, cseq, reason) in [
            (format!("PLAY /{long}"), 414, None, "request-line-too-long"),
            (format!("PLAY * RTSP/1.0\nCSeq: 3\nA: {long}"), 400, Some(3), "header-line-too-long"),
            (
                format!("PLAY * RTSP/1.0\nCSeq: 3\nA: {0}\nB: {0}\nC: {0}", &long[..8000]),
                400,
                Some(3),
                "head-too-large",
            ),
            (format!("PLAY * RTSP/1.0\nCSeq: 3\n{headers}"), 400, Some(3), "too-many-headers"),
            ("PLAY\nCSeq: 3\n\n".into(), 400, Some(3), "malformed-request-line"),
            ("PLAY * RTSP/2.0\nCSeq: 3\n\n".into(), 505, Some(3), "version"),
            ("PLAY * RTSP/1.0\nx\nCSeq: 3\n\n".into(), 400, Some(3), "malformed-header"),
            ("PLAY * RTSP/1.0\n\n".into(), 400, None, "missing-cseq"),
            ("PLAY * RTSP/1.0\nCSeq: x\n\n".into(), 400, None, "bad-cseq"),
            ("PLAY * RTSP/1.0\nCSeq: 3\nContent-Length: x\n\n".into(), 400, Some(3), "bad-content-length"),
            ("PLAY * RTSP/1.0\nCSeq: 3\nContent-Length: 65537\n\n".into(), 413, Some(3), "body-too-large"),
            ("OPTIONS /\u{fc} RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-unprintable"),
            ("DESCRIBE x RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-relative"),
            ("DESCRIBE http://h/ RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-scheme"),
            ("DESCRIBE rtsp:/// RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-host"),
            ("DESCRIBE rtsp://h:x/ RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "target-port"),
            ("DESCRIBE * RTSP/1.0\nCSeq: 3\n\n".into(), 400, Some(3), "no-stream"),
        ] {
            let (refusal, answer) = refused(&bytes);
            assert_eq!(refusal.reason(), reason);
            assert!(answer.starts_with(&format!("RTSP/1.0 {status} ")), "{answer}");
            let expected = cseq.map(|cseq| format!("CSeq: {cseq}"));
            let seen = answer.lines().find(|line| line.starts_with("CSeq"));
            assert_eq!(seen, expected.as_deref(), "{reason}");
            assert!(answer.ends_with("Connection: close\r\n\r\n"));
        }
    }
}
