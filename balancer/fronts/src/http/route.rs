//! Which request gets which answer. Pure, but for the hand-outs that answers ask for.

use hyper::StatusCode;
use tracing::debug;
use weir_fleet::Protocol;

use crate::http::answer::{Answer, Body};
use crate::http::request::Request;
use crate::http::steering::Format;
use crate::http::{cors, obs, pick, redirect, server_info, smil, steering};
use crate::{Client, Front};

/// Lets Flash players of any site ask; the original's installation has the same file.
const CROSS_DOMAIN: &str = "<?xml version=\"1.0\"?>\n\
    <!DOCTYPE cross-domain-policy SYSTEM \"http://www.adobe.com/xml/dtds/cross-domain-policy.dtd\">\n\
    <cross-domain-policy>\n\
    <allow-access-from domain=\"*\" secure=\"false\"/>\n\
    <site-control permitted-cross-domain-policies=\"all\"/>\n\
    </cross-domain-policy>\n";

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    LoadBalancer,
    CrossDomain,
    /// To this path on an edge, without the slash before it.
    Redirect(&'a str),
    Steering(Format),
    /// A stream as JW Player's `rtmp.loadbalance` asks for it: `APPLICATION/STREAM`.
    Smil(&'a str),
    Pick,
    Obs,
    /// RTMP in HTTP, which nobody speaks here.
    Tunnel,
    Nothing,
}

impl<'a> Route<'a> {
    /// What is fixed comes before what is configured.
    fn of(path: &'a str, prefixes: &[String]) -> Self {
        match path {
            // As the original's filter: anything before it.
            _ if path.ends_with("loadbalancer") => return Self::LoadBalancer,
            "/crossdomain.xml" => return Self::CrossDomain,
            "/steering/hls" => return Self::Steering(Format::Hls),
            "/steering/dash" => return Self::Steering(Format::Dash),
            "/api/v1/pick" => return Self::Pick,
            obs::PATH => return Self::Obs,
            "/fcs/ident2" | "/open/1" => return Self::Tunnel,
            _ => {}
        }
        let named = |rest: &&str| !rest.is_empty();
        if let Some(rest) = path.strip_prefix("/redirect/").filter(named) {
            return Self::Redirect(rest);
        }
        let smil = path.strip_prefix("/smil:").and_then(|rest| rest.strip_suffix(".smil"));
        if let Some(stream) = smil.filter(|stream| stream.contains('/')) {
            return Self::Smil(stream);
        }
        if prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())) {
            return Self::Redirect(&path[1..]);
        }
        Self::Nothing
    }

    /// The methods that are allowed there; none for what is not there.
    fn methods(self) -> Option<&'static str> {
        match self {
            Self::LoadBalancer | Self::CrossDomain | Self::Steering(_) | Self::Smil(_) | Self::Pick => {
                Some("GET, HEAD, OPTIONS")
            }
            Self::Redirect(_) => Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            Self::Obs => Some("POST, OPTIONS"),
            Self::Tunnel | Self::Nothing => None,
        }
    }
}

/// Whether the answer to this request depends on its body.
pub(super) fn needs_body(method: &str, path: &str) -> bool {
    method == "POST" && path == obs::PATH
}

/// Answers one request.
pub(crate) fn answer<'a>(front: &'a Front, client: Client, request: &Request<'a>) -> Answer<'a> {
    let answer = dispatch(front, client, request);
    let (method, path, status) = (request.method, request.path, answer.status.as_u16());
    debug!(client = %client.address, method, path, status, "http");
    answer
}

fn dispatch<'a>(front: &'a Front, client: Client, request: &Request<'a>) -> Answer<'a> {
    let route = Route::of(request.path, &front.http().prefixes);
    let Some(methods) = route.methods() else {
        let text = "Nothing is here. Try /loadbalancer or /redirect/APPLICATION/PATH.\n";
        return Answer::text(StatusCode::NOT_FOUND, text);
    };
    let is_allowed = match route {
        Route::Redirect(_) => true,
        Route::Obs => request.method == "POST",
        _ => request.is_read(),
    };
    match route {
        _ if request.method == "OPTIONS" => cors::options(request, methods),
        _ if !is_allowed => {
            let text = format!("{} is not allowed here, but {methods}.\n", request.method);
            Answer::text(StatusCode::METHOD_NOT_ALLOWED, text).with("Allow", methods)
        }
        Route::LoadBalancer => load_balancer(front, client, request),
        Route::CrossDomain => Answer::content("text/xml", Body::Fixed(CROSS_DOMAIN)),
        Route::Redirect(path) => redirect::answer(front, client, request, path),
        Route::Steering(format) => steering::answer(front, client, request, format),
        Route::Smil(stream) => smil::answer(front, client, request, stream),
        Route::Pick => pick::answer(front, client, request),
        Route::Obs => obs::answer(front, client, request),
        Route::Tunnel | Route::Nothing => Answer::text(StatusCode::NOT_FOUND, ""),
    }
}

/// `*loadbalancer`: names an edge, or shows the pool to those who ask for it and may see it.
fn load_balancer<'a>(front: &Front, client: Client, request: &Request<'a>) -> Answer<'a> {
    let query = request.query.unwrap_or_default();
    if server_info::is_shown_to(front.http().server_info, client.address.ip()) {
        if query.contains("serverInfoXML") {
            return Answer::content("text/xml", Body::Made(server_info::xml(&front.snapshot(), front.now())));
        }
        if query.contains("serverInfoJSON") {
            return Answer::content("application/json", Body::Made(server_info::json(&front.snapshot(), front.now())));
        }
    }
    // What the client will speak to the edge is not known here: any edge will do.
    let destination = front.choose(client, Protocol::Http, None, None);
    let reason = redirect::reason(destination.as_ref());
    let answer = Answer::content("text/html", Body::Redirect(destination.ok()));
    cors::open(answer, request).with(Front::REASON_HEADER, reason)
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::report;
    use weir_protocol::{Host, Report};

    use super::*;
    use crate::Shared;
    use crate::http::request::Headers;
    use crate::settings::{Application, ServerInfo};
    use crate::tests::{CLIENT, front, front_configured};

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
    fn a_path_leads_where_it_always_led_whatever_is_redirected_besides() {
        let prefixes = ["/live/".to_owned(), "/".to_owned()];
        for (path, route, everything) in [
            ("/crossdomain.xml", Route::CrossDomain, Route::CrossDomain),
            ("/live/loadbalancer", Route::LoadBalancer, Route::LoadBalancer),
            ("/redirect/live/a", Route::Redirect("live/a"), Route::Redirect("live/a")),
            ("/live/a", Route::Redirect("live/a"), Route::Redirect("live/a")),
            ("/lively", Route::Nothing, Route::Redirect("lively")),
            ("/", Route::Nothing, Route::Redirect("")),
            ("/redirect/", Route::Nothing, Route::Redirect("redirect/")),
            ("/steering/hls", Route::Steering(Format::Hls), Route::Steering(Format::Hls)),
            ("/steering/dash", Route::Steering(Format::Dash), Route::Steering(Format::Dash)),
            ("/smil:live/a.smil", Route::Smil("live/a"), Route::Smil("live/a")),
            ("/smil:a.smil", Route::Nothing, Route::Redirect("smil:a.smil")),
            ("/api/v1/pick", Route::Pick, Route::Pick),
            (obs::PATH, Route::Obs, Route::Obs),
            ("/fcs/ident2", Route::Tunnel, Route::Tunnel),
            ("/open/1", Route::Tunnel, Route::Tunnel),
        ] {
            assert_eq!(Route::of(path, &prefixes[..1]), route, "{path}");
            assert_eq!(Route::of(path, &prefixes), everything, "{path}");
        }
        assert_eq!(Route::of("*", &prefixes), Route::Nothing);
    }

    #[test]
    fn a_browser_s_question_is_answered_here_and_names_who_asked() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let headers = Headers {
            origin: Some("https://site.example"),
            requested_method: Some("POST"),
            requested_headers: Some("content-type"),
            ..Headers::default()
        };
        for path in ["/redirect/live/a/whip", "/steering/hls", "/api/v1/pick", "/loadbalancer"] {
            let request = Request::new("OPTIONS", path, None, headers).unwrap();
            let answer = answer(&front, CLIENT, &request);
            assert_eq!((answer.status.as_u16(), answer.location.is_none()), (204, true), "{path}");
            let said = |name| answer.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            assert_eq!(said("Access-Control-Allow-Origin"), Some("https://site.example"));
            assert_eq!(said("Access-Control-Allow-Credentials"), Some("true"));
            assert_eq!(said("Access-Control-Allow-Headers"), Some("content-type"));
            assert!(said("Access-Control-Allow-Methods").is_some_and(|methods| methods.contains("GET")), "{path}");
        }
        assert_eq!(front.snapshot().edges[0].load.assignments(), 0);
        assert_eq!(ask(&front, LOCAL, "OPTIONS", "/loadbalancer").0, 204);
    }

    #[test]
    fn the_playlist_of_a_stream_is_meant_by_its_type() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for (uri, location) in [
            ("live/cam?type=m3u8", "live/cam/playlist.m3u8"),
            ("live/cam/?a=1&type=m3u8&b=2", "live/cam/playlist.m3u8?a=1&b=2"),
            ("vod/_definst_/smil:a.smil?type=m3u8", "vod/_definst_/smil:a.smil/playlist.m3u8"),
            ("live/cam/chunks.m3u8?type=m3u8", "live/cam/chunks.m3u8?type=m3u8"),
            ("live?type=m3u8", "live?type=m3u8"),
            ("live/cam?mytype=m3u8", "live/cam?mytype=m3u8"),
        ] {
            let (_, to, _) = ask(&front, LOCAL, "GET", &format!("/redirect/{uri}"));
            assert_eq!(to, format!("http://edge1:1935/{location}"), "{uri}");
        }
    }

    #[test]
    fn a_request_that_comes_back_is_not_sent_round_again() {
        let marked = |shared: &mut Shared| shared.hop_mark = Some("hop".to_owned());
        let front = front_configured(&[named("edge1")], marked);
        for (query, marked) in [("", "?hop=1"), ("?", "?&hop=1"), ("?a=1", "?a=1&hop=1"), ("?type=m3u8", "?hop=1")] {
            let (status, to, _) = ask(&front, LOCAL, "GET", &format!("/redirect/live/a.m3u8/b{query}"));
            assert!(to.ends_with(marked), "{query}: {to}");
            let target = to.strip_prefix("http://edge1:1935/").unwrap();
            let back = ask(&front, LOCAL, "GET", &format!("/redirect/{target}"));
            assert_eq!((status, back.0, back.1), (302, 508, String::new()), "{query}");
        }
        assert_eq!(front.snapshot().edges[0].load.assignments(), 4);
    }

    #[test]
    fn rules_of_the_application_hold_under_prefixes_too() {
        let front = front_configured(&[named("edge1")], |shared| {
            shared.http.prefixes = vec!["/".to_owned()];
            let app = Some("origin".to_owned());
            let name = Some("live".to_owned());
            shared.applications = vec![Application { name, app, port: Some(8443), ..Application::DEFAULT }];
        });
        let (status, to, _) = ask(&front, LOCAL, "GET", "/live/a.m3u8?x");
        assert_eq!((status, to.as_str()), (302, "http://edge1:8443/origin/a.m3u8?x"));
        assert_eq!(ask(&front, LOCAL, "GET", "/vod/a").1, "http://edge1:1935/vod/a");
        assert_eq!(ask(&front, LOCAL, "POST", "/fcs/ident2").0, 404);
    }

    #[test]
    fn jw_player_is_named_an_rtmp_edge() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let (status, _, body) = ask(&front, LOCAL, "GET", "/smil:live/mp4:a%26b.smil");
        assert_eq!(status, 200);
        assert_eq!(
            body,
            "<smil><head><meta base=\"rtmp://edge1/live/\"/></head><body><video src=\"mp4:a&amp;b\"/></body></smil>"
        );
    }

    #[test]
    fn a_player_of_one_s_own_gets_a_url_and_what_comes_next() {
        let fleet = [named("edge1"), named("edge2")];
        let pick = |reports: &[Report<'_>], query: &str| {
            let front = front(reports, ServerInfo::Private);
            let (status, _, body) = ask(&front, LOCAL, "GET", &format!("/api/v1/pick?{query}"));
            (status, serde_json::from_str::<serde_json::Value>(&body).unwrap())
        };
        let (status, picked) = pick(&fleet, "protocol=rtsp&app=live&stream=camera");
        let mut urls = vec![picked["url"].clone(), picked["alternatives"][0].clone()];
        urls.sort_by_key(ToString::to_string);
        assert_eq!((status, urls), (200, vec!["rtsp://edge1/live/camera".into(), "rtsp://edge2/live/camera".into()]));
        assert_eq!(picked["reason"], "policy");
        let (_, picked) = pick(&fleet[..1], "app=live&stream=a/b.m3u8");
        assert_eq!(picked["url"], "http://edge1:1935/live/a/b.m3u8", "as the balancer was reached");
        let (status, refused) = pick(&[], "");
        assert_eq!((status, &refused["reason"]), (503, &"refused-no-edge".into()));
        let (status, wrong) = pick(&fleet, "protocol=srt");
        assert_eq!((status, &wrong["error"]), (400, &"`srt` is not a protocol.".into()));
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
