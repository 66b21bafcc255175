//! Why a connection ends without an edge.

use thiserror::Error;

use super::request_error::RequestError;
use super::status::Status;
use super::target::TargetError;

/// Why a connection is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The head is not a valid request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The target of an `OPTIONS`, or of a request for a stream, is invalid.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The request applies to a stream and names none, such as `DESCRIBE *`.
    #[error("the request names no stream")]
    NoStream,
    /// A publisher, which follows no redirect, where clients are not relayed.
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

impl Rejection {
    /// The status of the response.
    ///
    /// RTSP/1.0 has neither 431 nor 429. A head that exceeds a limit and too many requests are answered with 400, which
    /// is how a client has to treat an unknown 4xx (RFC 2326 section 7.1.1).
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

    /// The `reason` label in metrics.
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
