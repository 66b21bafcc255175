//! `/smil:<application>/<stream>.smil`: an RTMP edge, as JW Player's `rtmp.loadbalance` wants to be told.

use std::borrow::Cow;

use hyper::StatusCode;
use percent_encoding::percent_decode_str;
use weir_fleet::Protocol;

use crate::http::answer::{Answer, Body};
use crate::http::request::Request;
use crate::http::{cors, redirect};
use crate::redirect::{RedirectDefaults, RequestedUrl};
use crate::{Client, Front};

/// Names an edge for `path`, which is `APPLICATION/STREAM`.
pub(super) fn answer<'a>(front: &'a Front, client: Client, request: &Request<'a>, path: &str) -> Answer<'a> {
    let Ok(path) = percent_decode_str(path).decode_utf8() else {
        return Answer::text(StatusCode::BAD_REQUEST, "The path is not UTF-8.\n");
    };
    let (application, stream) = path.rsplit_once('/').unwrap_or((&path, ""));
    let destination = match front.choose(client, Protocol::Http, Some(Protocol::Rtmp), Some(&path)) {
        Ok(destination) => destination,
        Err(refusal) => return redirect::refuse(request, &refusal),
    };
    let rules = front.application(Protocol::Rtmp, application);
    // The port is not the one that HTTP came to.
    let asked = RequestedUrl { scheme: "rtmp", host: None, port: None, told: RedirectDefaults::default() };
    let target = destination.target(Protocol::Rtmp, asked, rules);
    let base = format!("{target}/{}/", rules.app.as_deref().unwrap_or(application));
    let reason = redirect::reason(Ok(&destination));
    let answer = Answer::content("application/smil+xml", Body::Made(smil(&base, stream)));
    cors::open(answer, request).with(Front::REASON_HEADER, reason)
}

fn smil(base: &str, stream: &str) -> String {
    let (base, stream) = (escaped(base), escaped(stream));
    format!("<smil><head><meta base=\"{base}\"/></head><body><video src=\"{stream}\"/></body></smil>")
}

/// As the value of an attribute between double quotes. What XML has no way to write is left out.
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
    fn a_name_cannot_leave_its_attribute() {
        assert_eq!(
            smil("rtmp://edge1/live/", "a\"/><b c=\"&\n"),
            "<smil><head><meta base=\"rtmp://edge1/live/\"/></head><body><video src=\"a&quot;/>&lt;b c=&quot;&amp;\"/>\
             </body></smil>"
        );
    }
}
