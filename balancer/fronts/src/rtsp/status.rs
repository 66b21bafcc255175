//! The status codes of responses (RFC 2326 section 7.1.1).

/// A status code that this front responds with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200
    Ok,
    /// 302
    MovedTemporarily,
    /// 400
    BadRequest,
    /// 405
    MethodNotAllowed,
    /// 408
    RequestTimeout,
    /// 413
    RequestEntityTooLarge,
    /// 414
    RequestUriTooLarge,
    /// 451
    ParameterNotUnderstood,
    /// 454
    SessionNotFound,
    /// 455
    MethodNotValidInThisState,
    /// 461
    UnsupportedTransport,
    /// 501
    NotImplemented,
    /// 503
    ServiceUnavailable,
    /// 505
    VersionNotSupported,
}

impl Status {
    /// Returns the code and the reason phrase, as RFC 2326 section 7.1.1 spells them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::MovedTemporarily => "302 Moved Temporarily",
            Self::BadRequest => "400 Bad Request",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Time-out",
            Self::RequestEntityTooLarge => "413 Request Entity Too Large",
            Self::RequestUriTooLarge => "414 Request-URI Too Large",
            Self::ParameterNotUnderstood => "451 Parameter Not Understood",
            Self::SessionNotFound => "454 Session Not Found",
            Self::MethodNotValidInThisState => "455 Method Not Valid in This State",
            Self::UnsupportedTransport => "461 Unsupported Transport",
            Self::NotImplemented => "501 Not Implemented",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 RTSP Version not supported",
        }
    }
}
