//! Which request gets which answer. Pure, but for the hand-out that it asks for.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER,
};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode};
use tracing::debug;

use crate::fleet::{Protocol, Refusal};
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

/// A whole answer.
pub(super) type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(super) fn answer<B>(front: &Front, client: Client, request: &Request<B>) -> Answer {
    let path = request.uri().path();
    let answer = if path.ends_with("loadbalancer") {
        read_only(request, || load_balancer(front, client, request))
    } else if path == "/crossdomain.xml" {
        read_only(request, || content("text/xml", CROSS_DOMAIN))
    } else if let Some(rest) = path.strip_prefix("/redirect/").filter(|rest| !rest.is_empty()) {
        redirect(front, client, request, rest)
    } else {
        text(StatusCode::NOT_FOUND, "Nothing is here. Try /loadbalancer or /redirect/APPLICATION/PATH.\n")
    };
    debug!(client = %client.address, method = %request.method(), %path, status = answer.status().as_u16(), "http");
    answer
}

/// `*loadbalancer`: names an edge, or shows the pool to those who ask for it and may see it.
fn load_balancer<B>(front: &Front, client: Client, request: &Request<B>) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    if query.contains("serverInfoXML") && server_info::is_shown_to(front.server_info(), client.address.ip()) {
        return content("text/xml", server_info::xml(&front.snapshot(), front.now()));
    }
    // What the client will speak to the edge is not known here: any edge will do. No new line at the end: clients in the
    // field take everything behind the `=` for the host.
    let destination = front.choose(client, Protocol::Http, None, None);
    let host = destination.as_ref().map_or("unknown", Destination::host);
    let mut answer = content("text/html", format!("redirect={host}"));
    allow_any_origin(&mut answer);
    say_why(&mut answer, destination.as_ref());
    answer
}

/// `/redirect/<application>/<path>`: sends the client to the same path on an edge.
fn redirect<B>(front: &Front, client: Client, request: &Request<B>, rest: &str) -> Answer {
    let destination = match front.choose(client, Protocol::Http, Some(Protocol::Http), Some(rest)) {
        Ok(destination) => destination,
        Err(refusal) => {
            let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, format!("{}.\n", capitalised(&refusal.to_string())));
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(Front::RETRY_AFTER_SECONDS));
            allow_any_origin(&mut answer);
            say_why(&mut answer, Err(&refusal));
            return answer;
        }
    };
    let Ok(location) = HeaderValue::try_from(location(front, &destination, client, request, rest)) else {
        return text(StatusCode::BAD_REQUEST, "The path has characters that cannot stand in a URL.\n");
    };
    // 302 may turn any method but GET and HEAD into GET; 307 keeps it (RFC 9110 sections 15.4.3 and 15.4.8), and WHIP
    // and WHEP demand that (RFC 9725 section 4.7).
    let keeps_method = matches!(*request.method(), Method::GET | Method::HEAD);
    let status = if keeps_method { StatusCode::FOUND } else { StatusCode::TEMPORARY_REDIRECT };
    let mut answer = text(status, "");
    answer.headers_mut().insert(LOCATION, location);
    allow_any_origin(&mut answer);
    say_why(&mut answer, Ok(&destination));
    answer
}

fn location<B>(front: &Front, destination: &Destination, client: Client, request: &Request<B>, rest: &str) -> String {
    let host = request.headers().get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let host = request.uri().authority().cloned().or(host);
    // A client that names no port means the scheme's own; one that names no host came to this listener.
    let asked = client.asked(Protocol::Http);
    let asked = Asked { port: host.map_or(asked.port, |host| host.port_u16()), ..asked };
    let application = front.application(Protocol::Http, rest);
    let target = destination.target(Protocol::Http, asked, application);
    let rest = application.rename(rest);
    match request.uri().query() {
        Some(query) => format!("{target}/{rest}?{query}"),
        None => format!("{target}/{rest}"),
    }
}

fn read_only<B>(request: &Request<B>, answer: impl FnOnce() -> Answer) -> Answer {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return answer();
    }
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed here.\n");
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refused
}

fn content(content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // An answer is for one client and one moment: a cache in between would send everybody to one edge.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = content("text/plain; charset=utf-8", body);
    *answer.status_mut() = status;
    answer
}

/// Lets players in web pages of any site read the answer, or follow it.
fn allow_any_origin(answer: &mut Answer) {
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Says why the client got what it got, for those who look into it.
fn say_why(answer: &mut Answer, outcome: Result<&Destination, &Refusal>) {
    let reason = outcome.map_or_else(|refusal| refusal.name(), |destination| destination.reason.name());
    answer.headers_mut().insert(Front::REASON_HEADER, HeaderValue::from_static(reason));
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use weir_protocol::{Host, Report};

    use super::*;
    use crate::config::ServerInfo;
    use crate::fleet::tests::report;
    use crate::fronts::tests::{CLIENT, front};

    const LOCAL: &str = "127.0.0.1:50000";

    fn named(redirect: &str) -> Report<'_> {
        let mut report = report();
        report.redirect = Host::new(redirect).ok();
        report
    }

    /// Status, `Location` and body.
    fn ask(front: &Front, client: &str, method: &str, uri: &str) -> (u16, String, String) {
        let request = Request::builder().method(method).uri(uri).header(HOST, "lb.example.com:1935").body(()).unwrap();
        let client = Client { address: client.parse().unwrap(), ..CLIENT };
        let answer = answer(front, client, &request);
        let location = answer.headers().get(LOCATION).map(|location| location.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body.frame()).map(|frame| frame.unwrap().into_data().unwrap().to_vec());
        (status, location.unwrap_or_default(), String::from_utf8(body.unwrap_or_default()).unwrap())
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
