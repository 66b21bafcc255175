//! Sessions that reached an edge, independent of the protocol.

use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;

/// Direction of the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the edge.
    Play,
    /// To the edge.
    Publish,
}

/// A stream that a client played or published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// Direction of the media.
    pub direction: Direction,
    /// Name of the stream, such as `live/camera`.
    pub stream: String,
    /// Whether media was transferred, not only commands.
    pub media: bool,
}

/// Everything that reached an edge since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visits {
    /// Number of connections, or of requests for HTTP, where connections are kept open. 0 means that no client came.
    pub connections: usize,
    /// Sessions on these connections.
    pub sessions: Vec<Visit>,
}

/// A media server that reports its sessions.
pub trait MediaServer {
    /// Returns its loopback address.
    fn address(&self) -> Ipv4Addr;

    /// Returns the scheme and port that it serves.
    fn endpoint(&self) -> (&'static str, u16);

    /// Returns everything that has reached it.
    fn visits(&self) -> Visits;

    /// Returns the host and port in the URL of each request. A redirected client requests the edge itself; a relayed
    /// client still requests the balancer.
    fn requested_hosts(&self) -> Vec<String>;
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Play => "play",
            Self::Publish => "publish",
        })
    }
}
