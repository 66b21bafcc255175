//! CORS headers, which let web players of any site use the balancer
//! (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! The balancer ignores cookies and responds to all sites alike, so no site has to be kept out. Browsers accept `*`
//! only for requests without credentials. Requests with credentials, for edges that require signed cookies, cannot be
//! told from others: both carry `Origin`. So the response to a request with an `Origin` names that origin.

use hyper::StatusCode;

use crate::http::request::Request;
use crate::http::response::{Body, Response};

/// Response headers that pages may read.
const EXPOSED: &str = "Location, Retry-After, Weir-Reason";

/// Seconds for which a browser may cache a preflight; most browsers accept no more.
const MAX_AGE: &str = "7200";

/// Allows the requesting page to read the response.
pub(super) fn allow<'a>(response: Response<'a>, request: &Request<'a>) -> Response<'a> {
    allow_origin(response, request).with("Access-Control-Expose-Headers", EXPOSED)
}

/// Responds to `OPTIONS`, a browser's preflight or another client's request. Not redirected, because browsers do not
/// follow a redirect of a preflight.
pub(super) fn options<'a>(request: &Request<'a>, methods: &'static str) -> Response<'a> {
    let empty =
        Response { status: StatusCode::NO_CONTENT, content_type: None, ..Response::content("", Body::Fixed("")) };
    let response = allow_origin(empty.with("Allow", methods), request);
    if request.headers.requested_method.is_none() {
        return response;
    }
    let response = response.with("Access-Control-Allow-Methods", methods).with("Access-Control-Max-Age", MAX_AGE);
    match request.headers.requested_headers {
        Some(headers) => response.with("Access-Control-Allow-Headers", headers),
        None => response,
    }
}

fn allow_origin<'a>(response: Response<'a>, request: &Request<'a>) -> Response<'a> {
    match request.headers.origin {
        Some(origin) => {
            response.with("Access-Control-Allow-Origin", origin).with("Access-Control-Allow-Credentials", "true")
        }
        None => response.with("Access-Control-Allow-Origin", "*"),
    }
}
