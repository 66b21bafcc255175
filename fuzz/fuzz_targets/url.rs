//! No URL that a client requests redirects it, or another client, to a server other than the edge.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtmp::TcUrl;
use weir_fronts::rtsp::{Location, Target};
use weir_protocol::{Host, stream};

fuzz_target!(|input: &[u8]| {
    if let Ok(target) = Target::parse(input)
        && let Some(path_and_query) = target.path_and_query()
        && let Ok(location) = Location::parse(format!("rtsp://edge:8554{path_and_query}"))
    {
        let Ok(Target::Url(url)) = Target::parse(location.as_str().as_bytes()) else { panic!("a location is a URL") };
        assert_eq!((url.host, url.port, url.path_and_query), ("edge", Some(8554), path_and_query));
    }
    let Ok(text) = str::from_utf8(input) else { return };
    // The rest of the path after the stream does not change the stream.
    if let Some(stream) = stream::of_path(text) {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        assert_eq!(stream::of_path(&format!("//{}/index.m3u8?x", &text[..end])), Some(stream));
    }
    if let Ok(TcUrl { path, query, .. }) = TcUrl::parse(text) {
        let query = query.unwrap_or_default();
        let redirect = format!("rtmp://edge:1935{path}?{query}");
        let url = TcUrl::parse(&redirect).expect("a redirect is a URL");
        assert_eq!((url.host, url.port, url.path, url.query), ("edge", Some(1935), path, Some(query)));
    }
    if let Ok(host) = Host::new(text) {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let url = format!("rtmp://{}:1935/live", host.in_url());
        let rtmp = TcUrl::parse(&url).expect("an edge's host is valid in an RTMP URL");
        assert_eq!((rtmp.host, rtmp.port, rtmp.path), (bare, Some(1935), "/live"));
        let url = format!("rtsp://{}:554/live", host.in_url());
        let Ok(Target::Url(rtsp)) = Target::parse(url.as_bytes()) else {
            panic!("an edge's host is valid in an RTSP URL")
        };
        assert_eq!((rtsp.host, rtsp.port, rtsp.path_and_query), (bare, Some(554), "/live"));
    }
});
