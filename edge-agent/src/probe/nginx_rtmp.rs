//! nginx-rtmp's `/stat` page (`rtmp_stat all`).
//!
//! With several nginx workers a page has the figures of the one that answered: run nginx-rtmp with `worker_processes 1`,
//! or use the `system` probe.

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use tokio::net::TcpStream;
use weir_protocol::stream;

use super::hottest::Hottest;
use super::{Accepted, Failure, Outcome, Probe, Reading};

/// Longest page that is read, in bytes: some 10,000 streams. A longer one is an error rather than a wrong count.
const MAX_PAGE_LENGTH: usize = 8 * 1024 * 1024;

/// Deepest nesting that is looked at; `nclients` is on the fifth level.
const MAX_DEPTH: usize = 16;

/// Asks nginx-rtmp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NginxRtmp {
    uri: Uri,
}

/// The text is no URL that this probe can ask.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected an http:// URL of nginx-rtmp's statistics, such as http://127.0.0.1:8080/stat")]
pub struct InvalidUrl;

impl NginxRtmp {
    /// A probe of the page at `url`.
    ///
    /// # Errors
    /// [`InvalidUrl`] when it is not an `http://` URL with a host.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let uri: Uri = url.parse().map_err(|_| InvalidUrl)?;
        let usable = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        if usable { Ok(Self { uri }) } else { Err(InvalidUrl) }
    }

    async fn page(&self) -> Result<String, Failure> {
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
        // The connection has to be driven while the exchange waits for it.
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

    fn read(&mut self) -> Outcome<'_> {
        Box::pin(async { Ok(parse(&self.page().await?)?) })
    }
}

/// Why a page has no figures.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not XML.
    #[error("the page is not XML: {0}")]
    Xml(#[from] quick_xml::Error),
    /// XML of something else, or nested deeper than any page of nginx-rtmp's.
    #[error("the page is not nginx-rtmp's: it has no <rtmp>")]
    Foreign,
    /// A figure that is no number.
    #[error("<{0}> is not a number")]
    Number(&'static str),
}

/// Reads a page.
///
/// Connections are the clients of all streams, publishers included: they are load, and the balancer counts a publisher
/// that it sent here like any other client. Rates are nginx-rtmp's own averages over ten seconds.
///
/// # Errors
/// See [`PageError`].
pub fn parse(page: &str) -> Result<Reading, PageError> {
    let mut reader = Reader::from_str(page);
    let mut path: Vec<String> = Vec::new();
    // That of the innermost element: what is looked at has no elements in it.
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
            // nginx escapes what HTML would not bear in a name; any other reference is not its own.
            Event::GeneralRef(reference) => match reference.resolve_char_ref()? {
                Some(character) => text.push(character),
                None => text.push_str(resolve_predefined_entity(&reference).unwrap_or_default()),
            },
            Event::End(_) => {
                page.take_in(&path, &text)?;
                path.pop();
                text.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if found { Ok(page.into_reading()) } else { Err(PageError::Foreign) }
}

/// What was read of a page.
#[derive(Debug, Default)]
struct Page {
    reading: Reading,
    /// The names of the application and the stream that are being read.
    application: String,
    stream: String,
    streams: Hottest,
}

impl Page {
    /// Takes in the text of the element at `path`, if it is one of those looked at.
    fn take_in(&mut self, path: &[String], text: &str) -> Result<(), PageError> {
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
                // What clients ask for is such a path.
                let stream = stream::of_path(&format!("{}/{}", self.application, self.stream));
                self.streams.add(stream, number("nclients")?);
            }
            ["rtmp", "server", "application", "live" | "play", "nclients"] => {
                let clients = number("nclients")?;
                // A page without any of these (`rtmp_stat global`) leaves the connections unknown, not zero.
                reading.connections = Some(reading.connections.unwrap_or(0).saturating_add(clients));
            }
            _ => {}
        }
        Ok(())
    }

    fn into_reading(self) -> Reading {
        // A page that tells no connections tells no streams either.
        let hot_streams = self.reading.connections.map(|_| self.streams.hottest());
        Reading { hot_streams, ..self.reading }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_of_all_streams_are_counted_publishers_included() {
        // One publisher and one player, as nginx-rtmp 1.1.4 showed them.
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
    fn the_streams_with_the_most_clients_are_named_as_clients_ask_for_them() {
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
    fn another_page_is_an_error_and_not_zero_load() {
        for page in ["", "<html><body>nclients</body></html>", "not found", "{}"] {
            assert!(matches!(parse(page), Err(PageError::Foreign)), "{page}");
        }
        assert!(matches!(parse("<rtmp><naccepted>many</naccepted></rtmp>"), Err(PageError::Number("naccepted"))));
        assert!(matches!(parse("<rtmp><server></rtmp>"), Err(PageError::Xml(_))));
        assert!(matches!(parse(&"<a>".repeat(100_000)), Err(PageError::Foreign)));
    }

    #[test]
    fn only_http_urls_can_be_asked() {
        assert!(NginxRtmp::new("http://[::1]:8080/stat").is_ok());
        for url in ["", "127.0.0.1:8080/stat", "https://127.0.0.1/stat", "http:///stat", "rtmp://a/stat"] {
            assert_eq!(NginxRtmp::new(url), Err(InvalidUrl), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(page in "(<rtmp>|<server>|<application>|<live>|<nclients>|</[a-z]{0,8}>|[<>&/;a-z0-9]|.){0,40}") {
            let _ = parse(&page);
        }
    }
}
