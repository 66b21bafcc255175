//! Maps requests to handlers. Without I/O; the only side effects are assignments and metrics.

use hyper::StatusCode;
use tracing::debug;

use crate::client::Client;
use crate::front::Front;
use crate::http::assign::assign;
use crate::http::request::Request;
use crate::http::response::{Body, Response};
use crate::http::steering::Format;
use crate::http::{cors, obs, pick, redirect, server_info, smil, steering};

/// Allows Flash players of any site; the same file as in an installation of Wowza Streaming Engine.
const CROSS_DOMAIN: &str = "<?xml version=\"1.0\"?>\n\
    <!DOCTYPE cross-domain-policy SYSTEM \"http://www.adobe.com/xml/dtds/cross-domain-policy.dtd\">\n\
    <cross-domain-policy>\n\
    <allow-access-from domain=\"*\" secure=\"false\"/>\n\
    <site-control permitted-cross-domain-policies=\"all\"/>\n\
    </cross-domain-policy>\n";

/// The handler of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    LoadBalancer,
    CrossDomain,
    /// A redirect to this path, without its leading slash, on an edge.
    Redirect(&'a str),
    Steering(Format),
    /// `APPLICATION/STREAM`, as JW Player's `rtmp.loadbalance` requests it.
    Smil(&'a str),
    Pick,
    Obs,
    /// RTMP tunnelled in HTTP, which is not supported.
    RtmpTunnel,
    NotFound,
}

impl<'a> Route<'a> {
    /// Finds the route of a path. Built-in paths take precedence over configured prefixes.
    fn of(path: &'a str, prefixes: &[String]) -> Self {
        let is_named = |rest: &&str| !rest.is_empty();
        // First, since a stream may be called `loadbalancer`.
        if let Some(rest) = path.strip_prefix("/redirect/").filter(is_named) {
            return Self::Redirect(rest);
        }
        match path {
            // Wowza's filter is `*loadbalancer`.
            _ if path.ends_with("loadbalancer") => return Self::LoadBalancer,
            "/crossdomain.xml" => return Self::CrossDomain,
            "/steering/hls" => return Self::Steering(Format::Hls),
            "/steering/dash" => return Self::Steering(Format::Dash),
            "/api/v1/pick" => return Self::Pick,
            obs::PATH => return Self::Obs,
            "/fcs/ident2" | "/open/1" => return Self::RtmpTunnel,
            _ => {}
        }
        let smil = path.strip_prefix("/smil:").and_then(|rest| rest.strip_suffix(".smil"));
        if let Some(stream) = smil.filter(|stream| stream.contains('/')) {
            return Self::Smil(stream);
        }
        if prefixes.iter().any(|prefix| path.starts_with(prefix.as_str())) {
            return Self::Redirect(&path[1..]);
        }
        Self::NotFound
    }

    /// The allowed methods; `None` for a route that is not found.
    fn methods(self) -> Option<&'static str> {
        match self {
            Self::LoadBalancer | Self::CrossDomain | Self::Steering(_) | Self::Smil(_) | Self::Pick => {
                Some("GET, HEAD, OPTIONS")
            }
            Self::Redirect(_) => Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            Self::Obs => Some("POST, OPTIONS"),
            Self::RtmpTunnel | Self::NotFound => None,
        }
    }
}

/// Whether the response to a request depends on its body.
pub(super) fn needs_body(method: &str, path: &str) -> bool {
    method == "POST" && path == obs::PATH
}

/// Responds to a request.
pub(crate) fn respond<'a>(front: &'a Front, client: Client, request: &Request<'a>) -> Response<'a> {
    let response = dispatch(front, client, request);
    let (method, path, status) = (request.method, request.path, response.status.as_u16());
    debug!(client = %client.address, method, path, status, "HTTP request");
    response
}

fn dispatch<'a>(front: &'a Front, client: Client, request: &Request<'a>) -> Response<'a> {
    if request.headers.has_several_hosts {
        return Response::text(StatusCode::BAD_REQUEST, "More than one Host header.\n");
    }
    let route = Route::of(request.path, &front.http().prefixes);
    let Some(methods) = route.methods() else {
        let text = "Not found. Try /loadbalancer or /redirect/APPLICATION/PATH.\n";
        return Response::text(StatusCode::NOT_FOUND, text);
    };
    let is_allowed = match route {
        Route::Redirect(_) => true,
        Route::Obs => request.method == "POST",
        _ => request.is_read(),
    };
    match route {
        _ if request.method == "OPTIONS" => cors::options(request, methods),
        _ if !is_allowed => {
            let text = format!("Method {} not allowed; use {methods}.\n", request.method);
            Response::text(StatusCode::METHOD_NOT_ALLOWED, text).with("Allow", methods)
        }
        Route::LoadBalancer => load_balancer(front, client, request),
        Route::CrossDomain => Response::content("text/xml", Body::Fixed(CROSS_DOMAIN)),
        Route::Redirect(path) => redirect::respond(front, client, request, path),
        Route::Steering(format) => steering::respond(front, client, request, format),
        Route::Smil(stream) => smil::respond(front, client, request, stream),
        Route::Pick => pick::respond(front, client, request),
        Route::Obs => obs::respond(front, client, request),
        Route::RtmpTunnel | Route::NotFound => Response::text(StatusCode::NOT_FOUND, ""),
    }
}

/// `*loadbalancer`: assigns an edge, or shows the server information to a client that requests it and may see it.
fn load_balancer<'a>(front: &Front, client: Client, request: &Request<'a>) -> Response<'a> {
    let query = request.query.unwrap_or_default();
    if server_info::is_shown_to(front.http().server_info, client.address.ip()) {
        if query.contains("serverInfoXML") {
            return Response::content("text/xml", Body::Text(server_info::xml(&front.snapshot(), front.now())));
        }
        if query.contains("serverInfoJSON") {
            return Response::content(
                "application/json",
                Body::Text(server_info::json(&front.snapshot(), front.now())),
            );
        }
    }
    // The protocol that the client will speak to the edge is unknown, so any edge is suitable.
    let assignment = assign(front, client, request, None, None);
    let reason = redirect::reason(assignment.as_ref());
    let response = Response::content("text/html", Body::Redirect(assignment.ok()));
    cors::allow(response, request).with(Front::REASON_HEADER, reason)
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::report;
    use weir_protocol::{Host, Report};

    use super::*;
    use crate::fixtures::{CLIENT, front, front_configured, front_within};
    use crate::http::request::Headers;
    use crate::settings::{Application, Limits, Repeats, ServerInfo};
    use crate::shared::Shared;

    const LOCAL: &str = "127.0.0.1:50000";

    fn named(redirect: &str) -> Report<'_> {
        let mut report = report();
        report.redirect = Host::new(redirect).ok();
        report
    }

    /// Status, `Location` and body of the response.
    fn send(front: &Front, client: &str, method: &str, uri: &str) -> (u16, String, String) {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        let headers = Headers { host: Some("lb.example.com:1935"), ..Headers::default() };
        let request = Request::new(method, path, query, headers).unwrap();
        let client = Client { address: client.parse().unwrap(), ..CLIENT };
        let response = respond(front, client, &request);
        let location = response.location.as_ref().map(ToString::to_string);
        (response.status.as_u16(), location.unwrap_or_default(), response.body.parts().concat())
    }

    #[test]
    fn any_path_that_ends_in_loadbalancer_returns_the_host_of_an_edge() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for uri in ["/loadbalancer", "/x/loadbalancer?12345", "/myloadbalancer"] {
            assert_eq!(send(&front, LOCAL, "GET", uri), (200, String::new(), "redirect=edge1".to_owned()), "{uri}");
        }
    }

    #[test]
    fn without_an_edge_loadbalancer_returns_unknown_and_redirects_are_refused() {
        let front = front(&[], ServerInfo::Private);
        assert_eq!(send(&front, LOCAL, "GET", "/loadbalancer").2, "redirect=unknown");
        let (status, _, body) = send(&front, LOCAL, "GET", "/redirect/live/a.m3u8");
        assert_eq!((status, body.as_str()), (503, "No edge has reported yet.\n"));
    }

    #[test]
    fn server_info_is_shown_to_private_addresses_only() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let (_, _, body) = send(&front, LOCAL, "GET", "/loadbalancer?serverInfoXML");
        assert!(body.starts_with("<LoadBalancerServerInfo>"), "{body}");
        let (_, _, body) = send(&front, "8.8.8.8:1", "GET", "/loadbalancer?serverInfoXML");
        assert_eq!(body, "redirect=edge1");
    }

    #[test]
    fn a_redirect_keeps_path_query_port_and_method() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let uri = "/redirect/live/a%20b/index.m3u8?token=x%2Fy";
        let location = "http://edge1:1935/live/a%20b/index.m3u8?token=x%2Fy".to_owned();
        for (method, status) in [("GET", 302), ("HEAD", 302), ("POST", 307), ("PATCH", 307), ("DELETE", 307)] {
            assert_eq!(send(&front, LOCAL, method, uri), (status, location.clone(), String::new()), "{method}");
        }
    }

    #[test]
    fn a_head_request_is_answered_like_get_but_counts_no_assignment() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for uri in ["/redirect/live/a.m3u8", "/loadbalancer", "/smil:live/a.smil", "/api/v1/pick?app=live"] {
            let before = front.snapshot().edges[0].load.assignments();
            let [head, get] = ["HEAD", "GET"].map(|method| send(&front, LOCAL, method, uri));
            assert_eq!((head.0, head.1), (get.0, get.1), "{uri}");
            assert_eq!(front.snapshot().edges[0].load.assignments(), before + 1, "{uri}");
        }
        assert!(front.metrics().render().contains("weir_assignments_total{protocol=\"http\",reason=\"policy\"} 4\n"));
    }

    #[test]
    fn a_request_with_two_hosts_is_rejected() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let mut headers = Headers::default();
        for host in ["lb.example.com", "evil.example.com"] {
            headers.record("Host", host.as_bytes());
        }
        let request = Request::new("GET", "/redirect/live/a.m3u8", None, headers).unwrap();
        assert_eq!(respond(&front, CLIENT, &request).status.as_u16(), 400);
        assert_eq!(front.snapshot().edges[0].load.assignments(), 0);
    }

    #[test]
    fn requests_with_different_queries_are_no_loop_and_pick_never_is() {
        let limits = Limits { repeats: Repeats { max: Some(3), ..Repeats::default() }, ..Limits::default() };
        let front = front_within(&[named("edge1")], limits);
        for viewer in 0..10 {
            let uri = format!("/redirect/live/final.m3u8?token={viewer}");
            assert_eq!(send(&front, LOCAL, "GET", &uri).0, 302, "{uri}");
            assert_eq!(send(&front, LOCAL, "GET", "/api/v1/pick?app=live&stream=final").0, 200);
        }
        let statuses = [(); 4].map(|()| send(&front, LOCAL, "GET", "/redirect/live/loop.m3u8").0);
        assert_eq!(statuses, [302, 302, 302, 508]);
    }

    #[test]
    fn an_ipv6_address_is_in_brackets_so_that_clients_can_append_a_port() {
        for (address, body) in [("2001:db8::7", "redirect=[2001:db8::7]"), ("[2001:db8::7]", "redirect=[2001:db8::7]")]
        {
            let front = front(&[named(address)], ServerInfo::Private);
            assert_eq!(send(&front, LOCAL, "GET", "/loadbalancer").2, body);
        }
    }

    #[test]
    fn a_path_cannot_change_the_host() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for uri in ["/redirect//evil.example/x", "/redirect/@evil.example/x", "/redirect/:1/x"] {
            let (_, location, _) = send(&front, LOCAL, "GET", uri);
            assert!(location.starts_with("http://edge1:1935/"), "{location}");
        }
    }

    #[test]
    fn built_in_paths_take_precedence_over_prefixes() {
        let prefixes = ["/live/".to_owned(), "/".to_owned()];
        for (path, route, everything) in [
            ("/crossdomain.xml", Route::CrossDomain, Route::CrossDomain),
            ("/live/loadbalancer", Route::LoadBalancer, Route::LoadBalancer),
            ("/redirect/live/a", Route::Redirect("live/a"), Route::Redirect("live/a")),
            ("/redirect/live/loadbalancer", Route::Redirect("live/loadbalancer"), Route::Redirect("live/loadbalancer")),
            ("/live/a", Route::Redirect("live/a"), Route::Redirect("live/a")),
            ("/lively", Route::NotFound, Route::Redirect("lively")),
            ("/", Route::NotFound, Route::Redirect("")),
            ("/redirect/", Route::NotFound, Route::Redirect("redirect/")),
            ("/steering/hls", Route::Steering(Format::Hls), Route::Steering(Format::Hls)),
            ("/steering/dash", Route::Steering(Format::Dash), Route::Steering(Format::Dash)),
            ("/smil:live/a.smil", Route::Smil("live/a"), Route::Smil("live/a")),
            ("/smil:a.smil", Route::NotFound, Route::Redirect("smil:a.smil")),
            ("/api/v1/pick", Route::Pick, Route::Pick),
            (obs::PATH, Route::Obs, Route::Obs),
            ("/fcs/ident2", Route::RtmpTunnel, Route::RtmpTunnel),
            ("/open/1", Route::RtmpTunnel, Route::RtmpTunnel),
        ] {
            assert_eq!(Route::of(path, &prefixes[..1]), route, "{path}");
            assert_eq!(Route::of(path, &prefixes), everything, "{path}");
        }
        assert_eq!(Route::of("*", &prefixes), Route::NotFound);
    }

    #[test]
    fn a_preflight_is_answered_and_names_the_origin() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let headers = Headers {
            origin: Some("https://site.example"),
            requested_method: Some("POST"),
            requested_headers: Some("content-type"),
            ..Headers::default()
        };
        for path in ["/redirect/live/a/whip", "/steering/hls", "/api/v1/pick", "/loadbalancer"] {
            let request = Request::new("OPTIONS", path, None, headers).unwrap();
            let response = respond(&front, CLIENT, &request);
            assert_eq!((response.status.as_u16(), response.location.is_none()), (204, true), "{path}");
            let header = |name| response.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
            assert_eq!(header("Access-Control-Allow-Origin"), Some("https://site.example"));
            assert_eq!(header("Access-Control-Allow-Credentials"), Some("true"));
            assert_eq!(header("Access-Control-Allow-Headers"), Some("content-type"));
            assert!(header("Access-Control-Allow-Methods").is_some_and(|methods| methods.contains("GET")), "{path}");
        }
        assert_eq!(front.snapshot().edges[0].load.assignments(), 0);
        assert_eq!(send(&front, LOCAL, "OPTIONS", "/loadbalancer").0, 204);
    }

    #[test]
    fn type_m3u8_requests_the_playlist_of_a_stream() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for (uri, location) in [
            ("live/cam?type=m3u8", "live/cam/playlist.m3u8"),
            ("live/cam/?a=1&type=m3u8&b=2", "live/cam/playlist.m3u8?a=1&b=2"),
            ("vod/_definst_/smil:a.smil?type=m3u8", "vod/_definst_/smil:a.smil/playlist.m3u8"),
            ("live/cam/chunks.m3u8?type=m3u8", "live/cam/chunks.m3u8?type=m3u8"),
            ("live?type=m3u8", "live?type=m3u8"),
            ("live/cam?mytype=m3u8", "live/cam?mytype=m3u8"),
        ] {
            let (_, to, _) = send(&front, LOCAL, "GET", &format!("/redirect/{uri}"));
            assert_eq!(to, format!("http://edge1:1935/{location}"), "{uri}");
        }
    }

    #[test]
    fn a_request_with_the_hop_mark_is_refused_as_a_loop() {
        let marked = |shared: &mut Shared| shared.hop_mark = Some("hop".to_owned());
        let front = front_configured(&[named("edge1")], marked);
        for (query, marked) in [("", "?hop=1"), ("?", "?&hop=1"), ("?a=1", "?a=1&hop=1"), ("?type=m3u8", "?hop=1")] {
            let (status, to, _) = send(&front, LOCAL, "GET", &format!("/redirect/live/a.m3u8/b{query}"));
            assert!(to.ends_with(marked), "{query}: {to}");
            let target = to.strip_prefix("http://edge1:1935/").unwrap();
            let back = send(&front, LOCAL, "GET", &format!("/redirect/{target}"));
            assert_eq!((status, back.0, back.1), (302, 508, String::new()), "{query}");
        }
        assert_eq!(front.snapshot().edges[0].load.assignments(), 4);
    }

    #[test]
    fn application_settings_apply_to_prefixes() {
        let front = front_configured(&[named("edge1")], |shared| {
            shared.http.prefixes = vec!["/".to_owned()];
            let app = Some("origin".to_owned());
            let name = Some("live".to_owned());
            shared.applications = vec![Application { name, app, port: Some(8443), ..Application::DEFAULT }];
        });
        let (status, to, _) = send(&front, LOCAL, "GET", "/live/a.m3u8?x");
        assert_eq!((status, to.as_str()), (302, "http://edge1:8443/origin/a.m3u8?x"));
        assert_eq!(send(&front, LOCAL, "GET", "/vod/a").1, "http://edge1:1935/vod/a");
        assert_eq!(send(&front, LOCAL, "POST", "/fcs/ident2").0, 404);
    }

    #[test]
    fn jw_player_gets_an_rtmp_edge() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        let (status, _, body) = send(&front, LOCAL, "GET", "/smil:live/mp4:a%26b.smil");
        assert_eq!(status, 200);
        assert_eq!(
            body,
            "<smil><head><meta base=\"rtmp://edge1/live/\"/></head><body><video src=\"mp4:a&amp;b\"/></body></smil>"
        );
    }

    #[test]
    fn pick_returns_a_url_and_alternatives() {
        let fleet = [named("edge1"), named("edge2")];
        let pick = |reports: &[Report<'_>], query: &str| {
            let front = front(reports, ServerInfo::Private);
            let (status, _, body) = send(&front, LOCAL, "GET", &format!("/api/v1/pick?{query}"));
            (status, serde_json::from_str::<serde_json::Value>(&body).unwrap())
        };
        let (status, picked) = pick(&fleet, "protocol=rtsp&app=live&stream=camera");
        let mut urls = vec![picked["url"].clone(), picked["alternatives"][0].clone()];
        urls.sort_by_key(ToString::to_string);
        assert_eq!((status, urls), (200, vec!["rtsp://edge1/live/camera".into(), "rtsp://edge2/live/camera".into()]));
        assert_eq!(picked["reason"], "policy");
        let (_, picked) = pick(&fleet[..1], "app=live&stream=a/b.m3u8");
        assert_eq!(picked["url"], "http://edge1:1935/live/a/b.m3u8", "with the port of the request");
        let (status, refused) = pick(&[], "");
        assert_eq!((status, &refused["reason"]), (503, &"refused-no-edge".into()));
        let (status, wrong) = pick(&fleet, "protocol=srt");
        assert_eq!((status, &wrong["error"]), (400, &"`srt` is not a protocol.".into()));
    }

    #[test]
    fn other_paths_and_methods_are_rejected() {
        let front = front(&[named("edge1")], ServerInfo::Private);
        for (method, uri, status) in [
            ("GET", "/", 404),
            ("GET", "/redirect/", 404),
            ("POST", "/loadbalancer", 405),
            ("PUT", "/crossdomain.xml", 405),
        ] {
            assert_eq!(send(&front, LOCAL, method, uri).0, status, "{method} {uri}");
        }
    }
}
