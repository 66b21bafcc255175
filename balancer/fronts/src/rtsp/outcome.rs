//! Decides how a valid request is answered.

use super::method::Method;
use super::rejection::Rejection;
use super::request::Request;
use super::status::Status;
use super::target::Target;

/// How a valid request is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome<'a> {
    /// With the list of methods.
    Options,
    /// With a status. The connection stays open.
    Status(Status),
    /// By the caller: the client requests the stream of this target.
    Stream(Target<'a>),
}

impl<'a> Outcome<'a> {
    /// Returns the outcome of `request`.
    ///
    /// This front has no sessions, so no request that needs one succeeds. A `SETUP` or `RECORD` is never answered with
    /// 200, because the client would send media next.
    pub(super) fn of(request: &Request<'a>) -> Result<Self, Rejection> {
        let has_session = request.header("Session").is_some();
        let status = match request.method {
            Method::Options => {
                Target::parse(request.target)?;
                return Ok(Self::Options);
            }
            // The edge decides whether `RECORD` is valid in this state.
            Method::Describe | Method::Announce | Method::Record => return Self::stream(request),
            Method::Setup if !has_session => return Self::stream(request),
            Method::Redirect => return Err(Rejection::ClientRedirect),
            Method::Unknown => Status::NotImplemented,
            // The client is here by mistake, or continues an earlier session.
            _ if has_session => Status::SessionNotFound,
            Method::Teardown | Method::Setup => Status::SessionNotFound,
            // Valid on the edge later: the client has to start with DESCRIBE.
            Method::Play | Method::Pause => Status::MethodNotValidInThisState,
            // A keep-alive (RFC 2326 section 10.8).
            Method::GetParameter if request.content_length == 0 => Status::Ok,
            Method::GetParameter | Method::SetParameter => Status::ParameterNotUnderstood,
        };
        Ok(Self::Status(status))
    }

    fn stream(request: &Request<'a>) -> Result<Self, Rejection> {
        match Target::parse(request.target)? {
            Target::Asterisk => Err(Rejection::NoStream),
            target => Ok(Self::Stream(target)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limits;
    use super::*;

    fn outcome(method: &str, target: &str, headers: &str) -> Result<String, Rejection> {
        let head = format!("{method} {target} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n");
        let request = Request::from_head(head.as_bytes(), &Limits::default()).expect(method);
        Outcome::of(&request).map(|outcome| match outcome {
            Outcome::Status(status) => status.as_str().to_owned(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn options_is_answered_with_or_without_a_path() {
        for target in ["*", "/", "rtsp://h:554", "rtsp://h/live/x"] {
            let outcome = outcome("OPTIONS", target, "");
            assert_eq!(outcome.as_deref(), Ok("Options"));
        }
    }

    #[test]
    fn a_request_for_a_stream_is_left_to_the_caller_whatever_it_requires() {
        for method in ["DESCRIBE", "ANNOUNCE", "RECORD", "SETUP"] {
            let with_path = outcome(method, "/x", "Require: x\r\n");
            assert_eq!(with_path.as_deref(), Ok("Stream(Path(\"/x\"))"), "{method}");
            assert_eq!(outcome(method, "*", ""), Err(Rejection::NoStream), "{method}");
        }
    }

    #[test]
    fn a_method_that_needs_a_session_never_succeeds() {
        let session = "Session: 1\r\n";
        let body = "Content-Length: 3\r\n";
        for (method, headers, expected) in [
            ("PLAY", "", Status::MethodNotValidInThisState),
            ("PAUSE", "", Status::MethodNotValidInThisState),
            ("TEARDOWN", "", Status::SessionNotFound),
            ("SETUP", session, Status::SessionNotFound),
            ("PLAY", session, Status::SessionNotFound),
            ("PAUSE", session, Status::SessionNotFound),
            ("TEARDOWN", session, Status::SessionNotFound),
            ("GET_PARAMETER", session, Status::SessionNotFound),
            ("SET_PARAMETER", session, Status::SessionNotFound),
            ("GET_PARAMETER", body, Status::ParameterNotUnderstood),
            ("SET_PARAMETER", body, Status::ParameterNotUnderstood),
            ("SET_PARAMETER", "", Status::ParameterNotUnderstood),
            ("X-SHUTTLE", "", Status::NotImplemented),
            ("X-SHUTTLE", session, Status::NotImplemented),
        ] {
            let outcome = outcome(method, "rtsp://h/x", headers);
            assert_eq!(outcome.as_deref(), Ok(expected.as_str()), "{method} {headers}");
        }
    }

    #[test]
    fn a_keep_alive_is_answered() {
        let outcome = outcome("GET_PARAMETER", "rtsp://h/x", "");
        assert_eq!(outcome.as_deref(), Ok("200 OK"));
    }

    #[test]
    fn clients_cannot_redirect() {
        for headers in ["", "Session: 1\r\n"] {
            assert_eq!(outcome("REDIRECT", "rtsp://h/x", headers), Err(Rejection::ClientRedirect));
        }
    }
}
