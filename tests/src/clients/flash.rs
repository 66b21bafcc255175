//! Emulates how Flash players (OSMF, JW, Flowplayer, FLVPlayback) followed a redirect. Flash itself no longer runs.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use super::amf0::Value;
use super::netstream::{self, Ending};
use super::rtmp::{Command, Connection};

/// Default port of RTMP.
const RTMP_PORT: u16 = 1935;
/// Maximum number of redirects. Players had no limit, but a test needs one.
const REDIRECTS: usize = 4;

/// The redirects that a player followed, and the last answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Journey {
    /// The connect URLs in order.
    pub visited: Vec<String>,
    /// The information object of the last answer.
    pub information: Value,
}

impl Journey {
    /// The status code of the last answer; `NetConnection.Connect.Success` if the connect was accepted.
    #[must_use]
    pub fn code(&self) -> &str {
        self.information.text("code").unwrap_or_default()
    }
}

/// Connects to a URL (`rtmp://host[:port]/app`, without a stream) and follows redirects.
///
/// # Errors
/// When a connection fails, or there are too many redirects.
pub fn connect(url: &str) -> io::Result<Journey> {
    travel(url).map(|(journey, _)| journey)
}

/// Plays some frames of a URL (`rtmp://host[:port]/app/stream`) and follows redirects.
///
/// # Errors
/// When a connection fails, there are too many redirects, or the stream is unavailable.
pub fn play(url: &str) -> io::Result<()> {
    let (connect_url, stream) = url.rsplit_once('/').ok_or_else(|| io::Error::other(format!("no stream: {url}")))?;
    let (journey, mut connection) = travel(connect_url)?;
    if journey.code() != "NetConnection.Connect.Success" {
        return Err(io::Error::other(format!("{journey:?}")));
    }
    match netstream::play(&mut connection, stream)? {
        Ending::Played => Ok(()),
        Ending::Status(information) => Err(io::Error::other(format!("{information:?}"))),
    }
}

fn travel(url: &str) -> io::Result<(Journey, Connection)> {
    let mut visited = Vec::new();
    let mut url = url.to_owned();
    while visited.len() <= REDIRECTS {
        let (mut connection, application) = open(&url)?;
        let (_, _, mut arguments) = ask(&mut connection, &url, &application)?;
        visited.push(url);
        let information = arguments.pop().unwrap_or(Value::Null);
        match redirect(&information) {
            Some(next) => url = next.to_owned(),
            None => return Ok((Journey { visited, information }, connection)),
        }
    }
    Err(io::Error::other(format!("too many redirects: {visited:?}")))
}

/// A rejection with `ex.code` 302 (a number) has the next connect URL in `ex.redirect`.
fn redirect(information: &Value) -> Option<&str> {
    let ex =
        information.property("ex").filter(|_| information.text("code") == Some("NetConnection.Connect.Rejected"))?;
    ex.text("redirect").filter(|_| ex.property("code") == Some(&Value::Number(302.0)))
}

/// Opens a connection to the server of a connect URL; returns it with the application, including instance and query.
///
/// # Errors
/// When the URL is not `rtmp://…/app` or the connection fails.
pub fn open(url: &str) -> io::Result<(Connection, String)> {
    let (host, application) = url
        .strip_prefix("rtmp://")
        .and_then(|rest| rest.split_once('/'))
        .ok_or_else(|| io::Error::other(format!("not a connect URL: {url}")))?;
    Ok((Connection::open(resolve(host)?)?, application.to_owned()))
}

fn resolve(host: &str) -> io::Result<SocketAddr> {
    let addresses = if host.contains(':') { host.to_socket_addrs() } else { (host, RTMP_PORT).to_socket_addrs() };
    addresses?.next().ok_or_else(|| io::Error::other(format!("no address of {host}")))
}

/// Sends `connect` as a Flash player does, and returns the answer: `_result` or `_error`.
///
/// # Errors
/// When the connection ends or fails first.
pub fn ask(connection: &mut Connection, url: &str, application: &str) -> io::Result<Command> {
    let text = |value: &str| Value::String(value.to_owned());
    let properties = [
        ("app", text(application)),
        ("flashVer", text("WIN 32,0,0,465")),
        ("swfUrl", text("http://example.com/player.swf")),
        ("tcUrl", text(url)),
        ("fpad", Value::Boolean(false)),
        ("capabilities", Value::Number(239.0)),
        ("audioCodecs", Value::Number(3575.0)),
        ("videoCodecs", Value::Number(252.0)),
        ("videoFunction", Value::Number(1.0)),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value)).to_vec();
    connection.send("connect", 1.0, &[Value::Object(properties)])?;
    connection.answer(1.0)
}
