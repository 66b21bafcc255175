//! nginx-rtmp's `/stat` page (`rtmp_stat all`).
//!
//! With several nginx workers a page has the figures of the one that answered: run nginx-rtmp with `worker_processes 1`,
//! or use the `system` probe.

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use quick_xml::Reader;
use quick_xml::events::Event;
use tokio::net::TcpStream;

use super::{Failure, Outcome, Probe, Reading};

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
    let mut reading = Reading::default();
    let mut found = false;
    loop {
        match reader.read_event()? {
            Event::Start(element) => {
                if path.len() == MAX_DEPTH {
                    return Err(PageError::Foreign);
                }
                path.push(element.name().as_ref().to_owned());
                found |= path == ["rtmp"];
            }
            Event::End(_) => drop(path.pop()),
            Event::Text(text) => take_in(&mut reading, &path, &text)?,
            Event::Eof => break,
            _ => {}
        }
    }
    if found { Ok(reading) } else { Err(PageError::Foreign) }
}

/// Takes in the text of the element at `path`, if it is one of the figures.
fn take_in(reading: &mut Reading, path: &[String], text: &str) -> Result<(), PageError> {
    let number = |name| text.trim().parse::<u64>().map_err(|_| PageError::Number(name));
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["rtmp", "naccepted"] => reading.accepted = Some(number("naccepted")?),
        ["rtmp", "bw_in"] => reading.in_bits_per_second = Some(number("bw_in")?),
        ["rtmp", "bw_out"] => reading.out_bits_per_second = Some(number("bw_out")?),
        ["rtmp", "server", "application", "live" | "play", "nclients"] => {
            let clients = number("nclients")?;
            // A page without any of these (`rtmp_stat global`) leaves the connections unknown, not zero.
            reading.connections = Some(reading.connections.unwrap_or(0).saturating_add(clients));
        }
        _ => {}
    }
    Ok(())
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
            accepted: Some(2),
            in_bits_per_second: Some(121_600),
            out_bits_per_second: Some(95_320),
            cpu: None,
        };
        assert_eq!(parse(page).unwrap(), expected);
    }

    #[test]
    fn a_page_without_applications_leaves_the_connections_unknown() {
        let reading = parse(include_str!("fixtures/nginx-rtmp-1.1.4-global.xml")).unwrap();
        assert_eq!(reading.connections, None);
        assert!(reading.accepted.is_some());
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
