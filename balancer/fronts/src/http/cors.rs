//! What lets players in web pages of any site ask, and follow (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! The balancer looks at no cookie and gives everybody the same answers, so that no site needs to be kept out. A browser
//! takes `*` for an answer only if the page does not send its cookies along. Pages that do, since the edges want signed
//! cookies, name themselves like all others, and cannot be told apart: so whoever names itself is named in the answer.

use hyper::StatusCode;

use crate::http::answer::{Answer, Body};
use crate::http::request::Request;

/// What pages may read besides the body.
const EXPOSED: &str = "Location, Retry-After, Weir-Reason";

/// How long a browser need not ask again, in seconds; most take no more than this.
const MAX_AGE: &str = "7200";

/// Lets the page that asks read the answer.
pub(super) fn open<'a>(answer: Answer<'a>, request: &Request<'a>) -> Answer<'a> {
    name_origin(answer, request).with("Access-Control-Expose-Headers", EXPOSED)
}

/// Answers `OPTIONS`, a browser's question before its request (preflight) or anybody's. By ourselves: a browser follows
/// no redirect of this one.
pub(super) fn options<'a>(request: &Request<'a>, methods: &'static str) -> Answer<'a> {
    let nothing = Answer { status: StatusCode::NO_CONTENT, content_type: None, ..Answer::content("", Body::Fixed("")) };
    let answer = name_origin(nothing.with("Allow", methods), request);
    if request.headers.requested_method.is_none() {
        return answer;
    }
    let answer = answer.with("Access-Control-Allow-Methods", methods).with("Access-Control-Max-Age", MAX_AGE);
    match request.headers.requested_headers {
        Some(headers) => answer.with("Access-Control-Allow-Headers", headers),
        None => answer,
    }
}

fn name_origin<'a>(answer: Answer<'a>, request: &Request<'a>) -> Answer<'a> {
    match request.headers.origin {
        Some(origin) => {
            answer.with("Access-Control-Allow-Origin", origin).with("Access-Control-Allow-Credentials", "true")
        }
        None => answer.with("Access-Control-Allow-Origin", "*"),
    }
}
