//! Why a request is invalid.

use thiserror::Error;

/// Why the head of a request is rejected. The connection cannot continue, because the start of the next request is
/// unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The request line is longer than [`Limits::line`](super::Limits::line).
    #[error("the request line is too long")]
    RequestLineTooLong,
    /// A header line is longer than [`Limits::line`](super::Limits::line).
    #[error("a header line is too long")]
    HeaderLineTooLong,
    /// The head is longer than [`Limits::head`](super::Limits::head).
    #[error("the head is too large")]
    HeadTooLarge,
    /// There are more header lines than [`Limits::headers`](super::Limits::headers).
    #[error("there are too many headers")]
    TooManyHeaders,
    /// The first line is not a method, a target and an RTSP version.
    #[error("the request line is malformed")]
    MalformedRequestLine,
    /// The version is not `RTSP/1.0`.
    #[error("the RTSP version is not 1.0")]
    Version,
    /// A header line has no colon, an invalid name, or a control character in its value.
    #[error("a header is malformed")]
    MalformedHeader,
    /// There is no `CSeq`, which every request must have (RFC 2326 section 12.17).
    #[error("there is no CSeq")]
    MissingCSeq,
    /// `CSeq` is not a number of 64 bits.
    #[error("the CSeq is not a number")]
    BadCSeq,
    /// `Content-Length` is not a number of 64 bits, or there are two that differ.
    #[error("the Content-Length is not a number")]
    BadContentLength,
    /// The body is longer than [`Limits::body`](super::Limits::body).
    #[error("the body is too large")]
    BodyTooLarge,
}

impl RequestError {
    /// The `reason` label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::RequestLineTooLong => "request-line-too-long",
            Self::HeaderLineTooLong => "header-line-too-long",
            Self::HeadTooLarge => "head-too-large",
            Self::TooManyHeaders => "too-many-headers",
            Self::MalformedRequestLine => "malformed-request-line",
            Self::Version => "version",
            Self::MalformedHeader => "malformed-header",
            Self::MissingCSeq => "missing-cseq",
            Self::BadCSeq => "bad-cseq",
            Self::BadContentLength => "bad-content-length",
            Self::BodyTooLarge => "body-too-large",
        }
    }
}
