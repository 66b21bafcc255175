//! Emulates how an SRS edge that pulls a stream follows a redirect, since Debian does not package SRS.
//!
//! It sends `srs_sig` in its connect, and does not follow a rejected connect. It follows a command that arrives instead
//! of the stream: `ex.redirect2`, or else `ex.redirect`, is the URL of the stream, which it plays over a new
//! connection.

use std::io;

use super::amf0::Value;
use super::flash::open;
use super::netstream::{self, Ending};
use super::rtmp::Connection;

/// Maximum number of redirects, as in SRS.
const REDIRECTS: usize = 4;

/// Pulls some video of a URL (`rtmp://host[:port]/app/stream`) and follows redirects; returns the URLs in order.
///
/// # Errors
/// When a connection fails or is rejected, there are too many redirects, or the stream is unavailable.
pub fn pull(url: &str) -> io::Result<Vec<String>> {
    let mut visited = Vec::new();
    let mut url = url.to_owned();
    while visited.len() <= REDIRECTS {
        let (connect_url, stream) =
            url.rsplit_once('/').ok_or_else(|| io::Error::other(format!("no stream: {url}")))?;
        let (mut connection, application) = open(connect_url)?;
        connect(&mut connection, connect_url, &application)?;
        let ending = netstream::play(&mut connection, stream)?;
        visited.push(url.clone());
        match ending {
            Ending::Played => return Ok(visited),
            Ending::Status(information) => {
                url = redirect(&information).ok_or_else(|| io::Error::other(format!("{information:?}")))?.to_owned();
            }
        }
    }
    Err(io::Error::other(format!("too many redirects: {visited:?}")))
}

fn redirect(information: &Value) -> Option<&str> {
    let ex = information.property("ex").filter(|ex| ex.property("code") == Some(&Value::Number(302.0)))?;
    ex.text("redirect2").or_else(|| ex.text("redirect"))
}

fn connect(connection: &mut Connection, url: &str, application: &str) -> io::Result<()> {
    let text = |value: &str| Value::String(value.to_owned());
    let object = |properties: &[(&str, Value)]| {
        Value::Object(properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    let command = object(&[
        ("app", text(application)),
        ("flashVer", text("WIN 15,0,0,239")),
        ("swfUrl", text("")),
        ("tcUrl", text(url)),
        ("fpad", Value::Boolean(false)),
        ("capabilities", Value::Number(239.0)),
        ("audioCodecs", Value::Number(3575.0)),
        ("videoCodecs", Value::Number(252.0)),
        ("videoFunction", Value::Number(1.0)),
        ("pageUrl", text("")),
        ("objectEncoding", Value::Number(0.0)),
    ]);
    let signature = object(&[("srs_sig", text("SRS")), ("srs_server", text("SRS/5.0")), ("srs_version", text("5.0"))]);
    connection.send("connect", 1.0, &[command, signature])?;
    match connection.answer(1.0)? {
        (name, ..) if name == "_result" => Ok(()),
        rejected => Err(io::Error::other(format!("{rejected:?}"))),
    }
}
