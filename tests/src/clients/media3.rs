//! Emulates how Android's Media3, and ExoPlayer before it, follow a redirect over RTSP: they request the new URL on the
//! old connection. They run on Android only; the messages are those of their logs
//! (<https://github.com/androidx/media/issues/1725>).

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use crate::wait::PATIENCE;

const AGENT: &str = "AndroidXMedia3/1.4.1";
/// Media frames after which a stream counts as played.
const FRAMES: usize = 10;

/// The transport of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP, and if that is refused TCP on another connection, which begins with `SETUP`: the default.
    Udp,
    /// The same connection: `setForceUseRtpTcp(true)`.
    Tcp,
}

/// Plays some frames of a URL (`rtsp://host:port/path`); returns the servers that it connected to, as `host:port`.
///
/// # Errors
/// When a connection fails, or a server answers with an error.
pub fn play(url: &str, transport: Transport) -> io::Result<Vec<String>> {
    let mut connection = Connection::open(url)?;
    let mut visited = vec![authority(url).to_owned()];
    let mut url = url.to_owned();
    connection.request("OPTIONS", &url, "")?.expect("200")?;
    let description = loop {
        let answer = connection.request("DESCRIBE", &url, "Accept: application/sdp\r\n")?;
        match answer.header("Location").filter(|_| matches!(&*answer.status, "301" | "302")) {
            Some(location) => url = location.to_owned(),
            None => break answer.expect("200")?,
        }
    };
    let track = description.track(&url).ok_or_else(|| io::Error::other("no track"))?;
    if transport == Transport::Udp {
        let refused = connection.request("SETUP", &track, "Transport: RTP/AVP;unicast;client_port=5000-5001\r\n")?;
        let _ = refused.expect("461")?;
        connection = Connection::open(&url)?;
        visited.push(authority(&url).to_owned());
    }
    let offer = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    let session = connection.request("SETUP", &track, offer)?.expect("200")?;
    let session = session.header("Session").and_then(|session| session.split(';').next()).unwrap_or_default();
    connection.request("PLAY", &url, &format!("Session: {session}\r\nRange: npt=0.000-\r\n"))?.expect("200")?;
    for _ in 0..FRAMES {
        connection.frame()?;
    }
    Ok(visited)
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

struct Connection {
    stream: BufReader<TcpStream>,
    cseq: u32,
}

impl Connection {
    fn open(url: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(authority(url))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), cseq: 0 })
    }

    fn request(&mut self, method: &str, url: &str, headers: &str) -> io::Result<Answer> {
        let cseq = self.cseq;
        self.cseq += 1;
        let request = format!("{method} {url} RTSP/1.0\r\nUser-Agent: {AGENT}\r\nCSeq: {cseq}\r\n{headers}\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        while self.peek()? == b'$' {
            self.frame()?;
        }
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{method} {url}: {head:?}")));
            }
        }
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }

    fn peek(&mut self) -> io::Result<u8> {
        self.stream.fill_buf()?.first().copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads an interleaved frame (RFC 2326 section 10.12).
    fn frame(&mut self) -> io::Result<()> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header)?;
        if header[0] != b'$' {
            return Err(io::Error::other(format!("no frame: {header:?}")));
        }
        let mut payload = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
        self.stream.read_exact(&mut payload)
    }
}

#[derive(Debug)]
struct Answer {
    status: String,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| named(line)).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    fn expect(self, status: &str) -> io::Result<Self> {
        if self.status == status { Ok(self) } else { Err(io::Error::other(format!("expected {status}: {self:?}"))) }
    }

    /// The URL of the first track.
    fn track(&self, url: &str) -> Option<String> {
        let (_, media) = self.body.split_once("\r\nm=")?;
        let control = media.lines().find_map(|line| line.strip_prefix("a=control:"))?;
        let base = self.header("Content-Base").unwrap_or(url).trim_end_matches('/');
        Some(if control.contains("://") { control.to_owned() } else { format!("{base}/{control}") })
    }
}
