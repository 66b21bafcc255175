//! `/smil:APPLICATION/STREAM.smil`: an RTMP edge in the format of JW Player's `rtmp.loadbalance`.

use std::borrow::Cow;

use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use weir_fleet::Protocol;

use crate::client::Client;
use crate::front::Front;
use crate::http::assign::assign;
use crate::http::request::Request;
use crate::http::response::{Body, Response};
use crate::http::{cors, redirect};
use crate::redirect::{RedirectDefaults, RequestedUrl};

/// Assigns an edge for `path`, which is `APPLICATION/STREAM`.
pub(super) fn respond<'a>(front: &'a Front, client: Client, request: &Request<'a>, path: &str) -> Response<'a> {
    let Ok(path) = percent_decode_str(path).decode_utf8() else {
        return Response::text(StatusCode::BAD_REQUEST, "The path is not UTF-8.\n");
    };
    let (application, stream) = path.rsplit_once('/').unwrap_or((&path, ""));
    let assignment = match assign(front, client, request, Some(Protocol::Rtmp), Some(&path)) {
        Ok(assignment) => assignment,
        Err(refusal) => return redirect::refuse(request, &refusal),
    };
    let settings = front.application(Protocol::Rtmp, application);
    // The port of the HTTP request does not apply to RTMP.
    let redirect_defaults = RedirectDefaults::default();
    let requested = RequestedUrl { scheme: "rtmp", host: None, port: None, redirect_defaults };
    let target = assignment.target(Protocol::Rtmp, requested, settings);
    let base = format!("{target}/{}/", settings.app.as_deref().unwrap_or(application));
    let reason = redirect::reason(Ok(&assignment));
    let response = Response::content("application/smil+xml", Body::Text(smil(&base, stream)));
    cors::allow(response, request).with(Front::REASON_HEADER, reason)
}

fn smil(base: &str, stream: &str) -> String {
    let (base, stream) = (escaped(base), escaped(stream));
    format!("<smil><head><meta base=\"{base}\"/></head><body><video src=\"{stream}\"/></body></smil>")
}

/// Escapes the value of an attribute in double quotes. Characters that are not allowed in XML are removed.
fn escaped(text: &str) -> String {
    let characters = text.chars().filter(|character| !character.is_control());
    characters.fold(String::with_capacity(text.len()), |mut escaped, character| {
        let shown: Cow<'_, str> = match character {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '"' => "&quot;".into(),
            other => String::from(other).into(),
        };
        escaped.push_str(&shown);
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_attribute() {
        assert_eq!(
            smil("rtmp://edge1/live/", "a\"/><b c=\"&\n"),
            "<smil><head><meta base=\"rtmp://edge1/live/\"/></head><body><video src=\"a&quot;/>&lt;b c=&quot;&amp;\"/>\
             </body></smil>"
        );
    }
}
