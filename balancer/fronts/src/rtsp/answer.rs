//! Which answer a proper request gets.

use super::method::Method;
use super::refusal::Refusal;
use super::request::Request;
use super::respond::Status;
use super::target::Target;

/// What a whole and proper request comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// `OPTIONS`.
    Options,
    /// A status that leaves the connection open.
    Status(Status),
    /// What the caller says: a client wants the stream of this target.
    Open(Target<'a>),
}

/// What a request comes to. There are no sessions here, so nothing that needs one succeeds; never
/// is a `SETUP` or `RECORD` answered with 200, which a client would follow with media.
pub(super) fn answer<'a>(request: &Request<'a>) -> Result<Answer<'a>, Refusal> {
    let has_session = request.header("Session").is_some();
    let status = match request.method {
        Method::Options => {
            Target::parse(request.target)?;
            return Ok(Answer::Options);
        }
        // Whether `RECORD` is in order is for an edge to say.
        Method::Describe | Method::Announce | Method::Record => return open(request),
        Method::Setup if !has_session => return open(request),
        Method::Redirect => return Err(Refusal::ClientRedirect),
        Method::Unknown => Status::NotImplemented,
        // The client was sent here by mistake, or believes in a session of before.
        _ if has_session => Status::SessionNotFound,
        Method::Teardown | Method::Setup => Status::SessionNotFound,
        // Known, and in order at the edge: the client has to start with DESCRIBE.
        Method::Play | Method::Pause => Status::MethodNotValidInThisState,
        // A ping (RFC 2326 section 10.8).
        Method::GetParameter if request.content_length == 0 => Status::Ok,
        Method::GetParameter | Method::SetParameter => Status::ParameterNotUnderstood,
    };
    Ok(Answer::Status(status))
}

fn open<'a>(request: &Request<'a>) -> Result<Answer<'a>, Refusal> {
    match Target::parse(request.target)? {
        Target::Asterisk => Err(Refusal::NoStream),
        target => Ok(Answer::Open(target)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    fn answer_to(method: &str, target: &str, headers: &str) -> Result<String, Refusal> {
        let head = format!("{method} {target} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n");
        let request = Request::from_head(head.as_bytes(), &Limits::default()).expect(method);
        answer(&request).map(|answer| match answer {
            Answer::Status(status) => status.as_str().to_owned(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn options_is_answered_with_or_without_a_path() {
        for target in ["*", "/", "rtsp://h:554", "rtsp://h/live/x"] {
            let answer = answer_to("OPTIONS", target, "");
            assert_eq!(answer.as_deref(), Ok("Options"));
        }
    }

    #[test]
    fn whoever_wants_a_stream_is_the_callers_to_answer_whatever_it_requires() {
        for method in ["DESCRIBE", "ANNOUNCE", "RECORD", "SETUP"] {
            let answer = answer_to(method, "/x", "Require: x\r\n");
            assert_eq!(answer.as_deref(), Ok("Open(Path(\"/x\"))"), "{method}");
            assert_eq!(answer_to(method, "*", ""), Err(Refusal::NoStream), "{method}");
        }
    }

    #[test]
    fn what_needs_a_session_never_succeeds() {
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
            let answer = answer_to(method, "rtsp://h/x", headers);
            assert_eq!(answer.as_deref(), Ok(expected.as_str()), "{method} {headers}");
        }
    }

    #[test]
    fn a_ping_is_answered() {
        let answer = answer_to("GET_PARAMETER", "rtsp://h/x", "");
        assert_eq!(answer.as_deref(), Ok("200 OK"));
    }

    #[test]
    fn clients_cannot_redirect() {
        for headers in ["", "Session: 1\r\n"] {
            assert_eq!(answer_to("REDIRECT", "rtsp://h/x", headers), Err(Refusal::ClientRedirect));
        }
    }
}
