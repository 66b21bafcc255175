//! What reached an edge, whatever its protocol.

use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;

/// Which way the media goes.
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
    /// Which way.
    pub direction: Direction,
    /// Such as `live/camera`.
    pub stream: String,
    /// Whether media went that way; without, there were only words.
    pub media: bool,
}

/// Everything that reached an edge since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visits {
    /// Connections, or requests where connections are kept: none means that nobody came.
    pub connections: usize,
    /// What was done on them.
    pub sessions: Vec<Visit>,
}

/// A media server that tells what reached it.
pub trait MediaServer {
    /// Its own loopback address.
    fn address(&self) -> Ipv4Addr;

    /// The scheme and port that it serves.
    fn endpoint(&self) -> (&'static str, u16);

    /// What reached it so far.
    fn visits(&self) -> Visits;

    /// The hosts and ports that clients took it for, once for each that named it: a client that was redirected names the
    /// edge itself, one that is relayed goes on naming the balancer.
    fn names(&self) -> Vec<String>;
}

impl Display for Direction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Play => "play",
            Self::Publish => "publish",
        })
    }
}
