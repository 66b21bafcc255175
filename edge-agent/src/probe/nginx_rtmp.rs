//! The probe `nginx-rtmp=URL`: the statistics page of nginx-rtmp (`rtmp_stat all`).
//!
//! With several nginx workers, the page has the figures of the worker that answered. Run nginx-rtmp with
//! `worker_processes 1`, or use the `system` probe.

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use tokio::net::TcpStream;
use weir_protocol::stream;

use super::hot_streams::StreamClients;
use super::{Accepted, BoxError, Kind, Probe, ReadFuture, Reading};

/// `--probe nginx-rtmp=URL`.
pub static KIND: Kind = Kind {
    name: "nginx-rtmp",
    argument: Some("URL"),
    help: "nginx-rtmp's statistics page (rtmp_stat all), such as http://127.0.0.1:8080/stat",
    create: |url, _| Ok(Box::new(NginxRtmp::new(url)?)),
};

/// Maximum length of a page, in bytes: some 10,000 streams. A longer page is an error rather than a wrong count.
const MAX_PAGE_LENGTH: usize = 8 * 1024 * 1024;

/// Maximum nesting of elements; `nclients` is on the fifth level.
const MAX_DEPTH: usize = 16;

/// A probe of nginx-rtmp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NginxRtmp {
    uri: Uri,
}

/// The text is not a URL that this probe can request.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an http:// URL of nginx-rtmp's statistics page, such as http://127.0.0.1:8080/stat")]
pub struct InvalidUrl;

impl NginxRtmp {
    /// Creates a probe of the page at `url`.
    ///
    /// # Errors
    /// [`InvalidUrl`] when it is not an `http://` URL with a host.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = url.parse().map_err(|_| InvalidUrl)?;
        let usable = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        if usable { Ok(Self { uri }) } else { Err(InvalidUrl) }
    }

    async fn fetch(&self) -> Result<String, BoxError> {
        let authority = self.uri.authority().ok_or("the URL has no host")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path).header(HOST, authority.as_str()).body(Empty::<&[u8]>::new())?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            if !response.status().is_success() {
                return Err(format!("{} answered {}", self.uri, response.status()).into());
            }
            let body = Limited::new(response.into_body(), MAX_PAGE_LENGTH).collect().await?.to_bytes();
            Ok(String::from_utf8_lossy(&body).into_owned())
        };
        // The exchange makes progress only while the connection is polled.
        tokio::select! {
            page = exchange => page,
            ended = connection => Err(match ended {
                Ok(()) => format!("{} closed the connection", self.uri).into(),
                Err(error) => error.into(),
            }),
        }
    }
}

impl Probe for NginxRtmp {
    fn name(&self) -> String {
        format!("nginx-rtmp at {}", self.uri)
    }

    fn read(&mut self) -> ReadFuture<'_> {
        Box::pin(async { Ok(parse(&self.fetch().await?)?) })
    }
}

/// Why a page cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The page is not XML.
    #[error("the page is not XML: {0}")]
    Xml(#[from] quick_xml::Error),
    /// The page is not one of nginx-rtmp: it has another root element, or is nested too deeply.
    #[error("not a statistics page of nginx-rtmp: no <rtmp> element")]
    Foreign,
    /// A figure is not a number.
    #[error("<{0}> is not a number")]
    Number(&'static str),
}

/// Parses a page.
///
/// Connections are the clients of all streams, including publishers: a publisher is load, and the balancer counts its
/// assignment like that of any other client. Rates are nginx-rtmp's own averages over ten seconds.
///
/// # Errors
/// See [`PageError`].
pub fn parse(page: &str) -> Result<Reading, PageError> {
    let mut reader = Reader::from_str(page);
    let mut path: Vec<String> = Vec::new();
    // The text of the innermost element. The elements of interest contain no others.
    let mut text = String::new();
    let mut page = Page::default();
    let mut found = false;
    loop {
        match reader.read_event()? {
            Event::Start(element) => {
                if path.len() == MAX_DEPTH {
                    return Err(PageError::Foreign);
                }
                path.push(element.name().as_ref().to_owned());
                found |= path == ["rtmp"];
                text.clear();
            }
            Event::Text(part) => text.push_str(&part),
            // nginx escapes only the characters that are special in HTML.
            Event::GeneralRef(reference) => match reference.resolve_char_ref()? {
                Some(character) => text.push(character),
                None => text.push_str(resolve_predefined_entity(&reference).unwrap_or_default()),
            },
            Event::End(_) => {
                page.end_element(&path, &text)?;
                path.pop();
                text.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if found { Ok(page.into_reading()) } else { Err(PageError::Foreign) }
}

/// The part of a page that has been parsed.
#[derive(Debug, Default)]
struct Page {
    reading: Reading,
    /// The name of the current application.
    application: String,
    /// The name of the current stream.
    stream: String,
    streams: StreamClients,
}

impl Page {
    /// Adds the element at `path` with its text, if it is one of interest.
    fn end_element(&mut self, path: &[String], text: &str) -> Result<(), PageError> {
        let number = |name| text.trim().parse::<u64>().map_err(|_| PageError::Number(name));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let reading = &mut self.reading;
        match path[..] {
            ["rtmp", "naccepted"] => {
                reading.accepted = Some(Accepted { total: number("naccepted")?, is_estimate: false });
            }
            ["rtmp", "bw_in"] => reading.in_bits_per_second = Some(number("bw_in")?),
            ["rtmp", "bw_out"] => reading.out_bits_per_second = Some(number("bw_out")?),
            ["rtmp", "server", "application", "name"] => text.clone_into(&mut self.application),
            ["rtmp", "server", "application", "live" | "play", "stream", "name"] => text.clone_into(&mut self.stream),
            ["rtmp", "server", "application", "live" | "play", "stream", "nclients"] => {
                // The path that clients request.
                let stream = stream::of_path(&format!("{}/{}", self.application, self.stream));
                self.streams.add(stream, number("nclients")?);
            }
            ["rtmp", "server", "application", "live" | "play", "nclients"] => {
                let clients = number("nclients")?;
                // A page without this element (`rtmp_stat global`) leaves the connections unknown, not zero.
                reading.connections = Some(reading.connections.unwrap_or(0).saturating_add(clients));
            }
            _ => {}
        }
        Ok(())
    }

    fn into_reading(self) -> Reading {
        // A page without connections has no streams either.
        let hot_streams = self.reading.connections.map(|_| self.streams.hottest());
        Reading { hot_streams, ..self.reading }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_of_all_streams_are_counted_including_publishers() {
        // One publisher and one player, from nginx-rtmp 1.1.4.
        let page = include_str!("fixtures/nginx-rtmp-1.1.4-all.xml");
        let expected = Reading {
            connections: Some(2),
            accepted: Some(Accepted { total: 2, is_estimate: false }),
            in_bits_per_second: Some(121_600),
            out_bits_per_second: Some(95_320),
            cpu: None,
            hot_streams: Some([stream::hash("live", "news<1>&more")].into_iter().collect()),
        };
        assert_eq!(parse(page).unwrap(), expected);
    }

    #[test]
    fn a_page_without_applications_leaves_the_connections_unknown() {
        let reading = parse(include_str!("fixtures/nginx-rtmp-1.1.4-global.xml")).unwrap();
        assert_eq!((reading.connections, reading.hot_streams), (None, None));
        assert!(reading.accepted.is_some());
    }

    #[test]
    fn the_streams_with_the_most_clients_are_reported_by_the_path_that_clients_request() {
        let stream = |name: &str, clients: u64| {
            format!("<stream><name>{name}</name><client/><nclients>{clients}</nclients></stream>")
        };
        let application = |name: &str, kind: &str, streams: &str| {
            format!("<application><name>{name}</name><{kind}>{streams}<nclients>9</nclients></{kind}></application>")
        };
        let live = application("live", "live", &[stream("cam1", 3), stream("cam2", 0), stream("cam3", 5)].concat());
        let vod = application("vod", "play", &stream("a&amp;b&#x21;.mp4", 4));
        let reading = parse(&format!("<rtmp><server>{live}{vod}</server></rtmp>")).unwrap();
        let expected = ["/live/cam3.m3u8", "/vod/a&b!.mp4", "/live/cam1"].map(stream::of_path);
        assert_eq!(reading.hot_streams.unwrap().into_iter().map(Some).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_foreign_page_is_an_error_rather_than_zero_load() {
        for page in ["", "<html><body>nclients</body></html>", "not found", "{}"] {
            assert!(matches!(parse(page), Err(PageError::Foreign)), "{page}");
        }
        assert!(matches!(parse("<rtmp><naccepted>many</naccepted></rtmp>"), Err(PageError::Number("naccepted"))));
        assert!(matches!(parse("<rtmp><server></rtmp>"), Err(PageError::Xml(_))));
        assert!(matches!(parse(&"<a>".repeat(100_000)), Err(PageError::Foreign)));
    }

    #[test]
    fn only_http_urls_are_accepted() {
        assert!(NginxRtmp::new("http://[::1]:8080/stat").is_ok());
        for url in ["", "127.0.0.1:8080/stat", "https://127.0.0.1/stat", "http:///stat", "rtmp://a/stat"] {
            assert_eq!(NginxRtmp::new(url), Err(InvalidUrl), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_page_causes_a_panic(page in "(<rtmp>|<server>|<application>|<live>|<nclients>|</[a-z]{0,8}>|[<>&/;a-z0-9]|.){0,40}") {
            let _ = parse(&page);
        }
    }
}
