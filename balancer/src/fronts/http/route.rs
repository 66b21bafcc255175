//! Which request gets which answer. Pure, but for the hand-out that it asks for.

use hyper::StatusCode;
use tracing::debug;

use crate::fleet::{Protocol, Refusal};
use crate::fronts::http::answer::{Answer, Body};
use crate::fronts::http::location::Location;
use crate::fronts::http::request::Request;
use crate::fronts::http::server_info;
use crate::fronts::redirect::{Asked, Destination};
use crate::fronts::{Client, Front};

/// Lets Flash players of any site ask; the original's installation has the same file.
const CROSS_DOMAIN: &str = "<?xml version=\"1.0\"?>\n\
    <!DOCTYPE cross-domain-policy SYSTEM \"http://www.adobe.com/xml/dtds/cross-domain-policy.dtd\">\n\
    <cross-domain-policy>\n\
    <allow-access-from domain=\"*\" secure=\"false\"/>\n\
    <site-control permitted-cross-domain-policies=\"all\"/>\n\
    </cross-domain-policy>\n";

/// Answers one request.
pub(in crate::fronts) fn answer<'a>(front: &'a Front, client: Client, request: &Request<'a>) -> Answer<'a> {
    let path = request.path;
    let answer = if path.ends_with("loadbalancer") {
        read_only(request, || load_balancer(front, client, request))
    } else if path == "/crossdomain.xml" {
        read_only(request, || Answer::content("text/xml", Body::Fixed(CROSS_DOMAIN)))
    } else if let Some(rest) = path.strip_prefix("/redirect/").filter(|rest| !rest.is_empty()) {
        redirect(front, client, request, rest)
    } else {
        Answer::text(StatusCode::NOT_FOUND, "Nothing is here. Try /loadbalancer or /redirect/APPLICATION/PATH.\n")
    };
    debug!(client = %client.address, method = %request.method, %path, status = answer.status.as_u16(), "http");
    answer
}

/// `*loadbalancer`: names an edge, or shows the pool to those who ask for it and may see it.
fn load_balancer<'a>(front: &Front, client: Client, request: &Request<'a>) -> Answer<'a> {
    let query = request.query.unwrap_or_default();
    if query.contains("serverInfoXML") && server_info::is_shown_to(front.server_info(), client.address.ip()) {
        return Answer::content("text/xml", Body::Made(server_info::xml(&front.snapshot(), front.now())));
    }
    // What the client will speak to the edge is not known here: any edge will do.
    let destination = front.choose(client, Protocol::Http, None, None);
    let reason = reason(destination.as_ref());
    let answer = Answer::content("text/html", Body::Redirect(destination.ok()));
    allow_any_origin(answer).with(Front::REASON_HEADER, reason)
}

/// `/redirect/<application>/<path>`: sends the client to the same path on an edge.
fn redirect<'a>(front: &'a Front, client: Client, request: &Request<'a>, rest: &'a str) -> Answer<'a> {
    let destination = match front.choose(client, Protocol::Http, Some(Protocol::Http), Some(rest)) {
        Ok(destination) => destination,
        Err(refusal) => {
            let text = format!("{}.\n", capitalised(&refusal.to_string()));
            let status = match refusal {
                Refusal::Loop => StatusCode::LOOP_DETECTED,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            let answer = Answer::text(status, text).with("Retry-After", RETRY_AFTER);
            return allow_any_origin(answer).with(Front::REASON_HEADER, reason(Err(&refusal)));
        }
    };
    // A client that names no port means the scheme's own; one that names no host came to this listener.
    let asked = client.asked(Protocol::Http);
    let asked = Asked { port: request.headers.port().unwrap_or(asked.port), ..asked };
    let application = front.application(Protocol::Http, rest);
    // 302 may turn any method but GET and HEAD into GET; 307 keeps it (RFC 9110 sections 15.4.3 and 15.4.8), and WHIP
    // and WHEP demand that (RFC 9725 section 4.7).
    let status = if request.is_read() { StatusCode::FOUND } else { StatusCode::TEMPORARY_REDIRECT };
    let reason = reason(Ok(&destination));
    let path = application.rename(rest);
    let location = Location { destination, asked, application, path, query: request.query };
    let answer = Answer { location: Some(location), ..Answer::text(status, "") };
    allow_any_origin(answer).with(Front::REASON_HEADER, reason)
}

fn read_only<'a>(request: &Request<'a>, answer: impl FnOnce() -> Answer<'a>) -> Answer<'a> {
    if request.is_read() {
        return answer();
    }
    Answer::text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed here.\n").with("Allow", "GET, HEAD")
}

fn reason(outcome: Result<&Destination, &Refusal>) -> &'static str {
    outcome.map_or_else(|refusal| refusal.name(), |destination| destination.reason.name())
}

/// [`Front::RETRY_AFTER_SECONDS`].
const RETRY_AFTER: &str = "3";

/// Lets players in web pages of any site read the answer, or follow it.
fn allow_any_origin(answer: Answer<'_>) -> Answer<'_> {
    answer.with("Access-Control-Allow-Origin", "*")
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use weir_protocol::{Host, Report};

    use super::*;
    use crate::config::ServerInfo;
    use crate::fleet::tests::report;
    use crate::fronts::http::request::Headers;
    use crate::fronts::tests::{CLIENT, front};

    const LOCAL: &str = "127.0.0.1:50000";

    fn named(redirect: &str) -> Report<'_> {
        let mut report = report();
        report.redirect = Host::new(redirect).ok();
        report
    }

    /// Status, `Location` and body.
    fn ask(front: &Front, client: &str, method: &str, uri: &str) -> (u16, String, String) {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        let headers = Headers { host: Some("lb.example.com:1935"), ..Headers::default() };
        let request = Request::new(method, path, query, headers).unwrap();
        let client = Client { address: client.parse().unwrap(), ..CLIENT };
        let answer = answer(front, client, &request);
        let location = answer.location.as_ref().map(ToString::to_string);
        (answer.status.as_u16(), location.unwrap_or_default(), answer.body.parts().concat())
    }

    #[test]
    fn a_client_is_told_the_same_pause_in_every_protocol() {
        assert_eq!(RETRY_AFTER, Front::RETRY_AFTER_SECONDS.to_string());
    }

    #[test]
    fn any_path_that_ends_in_loadbalancer_names_an_edge_and_nothing_else() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for uri in ["/loadbalancer", "/x/loadbalancer?12345", "/myloadbalancer"] {
            assert_eq!(ask(&front, LOCAL, "GET", uri), (200, String::new(), "redirect=edge1".to_owned()), "{uri}");
        }
    }

    #[test]
    fn without_an_edge_the_answer_is_unknown_and_a_redirect_is_refused() {
        let front = front(&[], ServerInfo::Private);
        assert_eq!(ask(&front, LOCAL, "GET", "/loadbalancer").2, "redirect=unknown");
        let (status, _, body) = ask(&front, LOCAL, "GET", "/redirect/live/a.m3u8");
        assert_eq!((status, body.as_str()), (503, "No edge has reported yet.\n"));
    }

    #[test]
    fn the_pool_is_shown_to_private_addresses_and_others_get_the_plain_answer() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let (_, _, body) = ask(&front, LOCAL, "GET", "/loadbalancer?serverInfoXML");
        assert!(body.starts_with("<LoadBalancerServerInfo>"), "{body}");
        let (_, _, body) = ask(&front, "8.8.8.8:1", "GET", "/loadbalancer?serverInfoXML");
        assert_eq!(body, "redirect=edge1");
    }

    #[test]
    fn a_redirect_keeps_path_query_port_and_method() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let uri = "/redirect/live/a%20b/index.m3u8?token=x%2Fy";
        let location = "http://edge1:1935/live/a%20b/index.m3u8?token=x%2Fy".to_owned();
        for (method, status) in [("GET", 302), ("HEAD", 302), ("POST", 307), ("PATCH", 307), ("DELETE", 307)] {
            assert_eq!(ask(&front, LOCAL, method, uri), (status, location.clone(), String::new()), "{method}");
        }
    }

    #[test]
    fn a_path_cannot_name_another_host() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for uri in ["/redirect//evil.example/x", "/redirect/@evil.example/x", "/redirect/:1/x"] {
            let (_, location, _) = ask(&front, LOCAL, "GET", uri);
            assert!(location.starts_with("http://edge1:1935/"), "{location}");
        }
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for (method, uri, status) in [
            ("GET", "/", 404),
            ("GET", "/redirect/", 404),
            ("POST", "/loadbalancer", 405),
            ("PUT", "/crossdomain.xml", 405),
        ] {
            assert_eq!(ask(&front, LOCAL, method, uri).0, status, "{method} {uri}");
        }
    }
}
