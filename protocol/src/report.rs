//! What a report says.
//!
//! A field that the agent does not know is `None`: unknown is not zero. Texts borrow from the datagram (or, at the
//! agent, from its configuration), and lists are bounded and stored in place, so that neither writing nor reading a
//! report allocates.

use std::net::IpAddr;
use std::time::Duration;

use arrayvec::ArrayVec;

use crate::host::Host;

/// Most endpoints in a report: eight protocols, each plain and with TLS.
pub const MAX_ENDPOINTS: usize = 16;
/// Most tags in a report.
pub const MAX_TAGS: usize = 16;
/// Most named utilisations in a report.
pub const MAX_UTILISATIONS: usize = 8;
/// Most stream hashes in a report; 32 of them take 288 of the 1200 bytes.
pub const MAX_HOT_STREAMS: usize = 32;
/// Most bytes in a zone, a tag, a scheme, or the name of a utilisation.
pub const MAX_NAME_LENGTH: usize = 64;

/// Hashes of streams ([`stream`](crate::stream)), the hottest first.
pub type HotStreams = ArrayVec<u64, MAX_HOT_STREAMS>;

/// One report of one edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Report<'a> {
    /// Whether the edge takes new clients.
    pub status: Status,
    /// Why it does not, if it does not. The reasons are independent: taking one back leaves the others.
    pub reasons: Reasons,
    /// When the sender started: milliseconds since the Unix epoch by the sender's clock. Orders boot salts.
    pub boot_time: u64,
    /// When the report was sent: milliseconds since the Unix epoch by the sender's clock.
    pub send_time: u64,
    /// The time to the next regular report.
    pub interval: Duration,
    /// What clients are to call the edge; when absent, the address that the report came from.
    pub redirect: Option<Host<'a>>,
    /// Where the edge serves which protocol. Empty: at the port that the client used at the balancer.
    pub endpoints: ArrayVec<Endpoint<'a>, MAX_ENDPOINTS>,
    /// The address to forward to in kernel mode.
    pub real_server: Option<IpAddr>,
    /// The zone (site, region) that the edge is in.
    pub zone: Option<&'a str>,
    /// Free labels by which rules can choose edges.
    pub tags: ArrayVec<&'a str, MAX_TAGS>,
    /// Share of clients relative to other edges; finite and greater than 0, 1 when absent.
    pub weight: Option<f32>,
    /// How busy the edge is.
    pub load: Load<'a>,
    /// How much the edge can carry.
    pub capacity: Capacity,
    /// Hashes of the streams with the most viewers, the hottest first.
    pub hot_streams: HotStreams,
    /// Version of the agent, for people.
    pub agent_version: Option<&'a str>,
    /// The last command obeyed that came from the balancer that this report goes to.
    pub last_command: Option<u64>,
    /// While draining with a deadline: how long until then, from the send time.
    pub drain_deadline: Option<Duration>,
}

impl Report<'_> {
    /// A report that says nothing but that the edge runs.
    #[must_use]
    pub fn new(boot_time: u64, send_time: u64, interval: Duration) -> Self {
        Self {
            status: Status::Running,
            reasons: Reasons::NONE,
            boot_time,
            send_time,
            interval,
            redirect: None,
            endpoints: ArrayVec::new(),
            real_server: None,
            zone: None,
            tags: ArrayVec::new(),
            weight: None,
            load: Load::default(),
            capacity: Capacity::default(),
            hot_streams: ArrayVec::new(),
            agent_version: None,
            last_command: None,
            drain_deadline: None,
        }
    }
}

/// Whether an edge takes new clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// It does.
    Running = 0,
    /// It does not, for the reasons given; those it has stay.
    Paused = 1,
    /// It does not, and is being emptied.
    Draining = 2,
    /// It is shutting down: the last report.
    Stopping = 3,
}

impl Status {
    /// A stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
        }
    }
}

impl TryFrom<u8> for Status {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        Ok(match value {
            0 => Self::Running,
            1 => Self::Paused,
            2 => Self::Draining,
            3 => Self::Stopping,
            other => return Err(other),
        })
    }
}

/// A set of independent reasons not to take new clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reasons(pub u8);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);
    /// An operator said so.
    pub const OPERATOR: Self = Self(1);
    /// A limit on connections or bandwidth is reached.
    pub const CAPACITY: Self = Self(2);
    /// The media server does not answer, or the probe of its load fails.
    pub const HEALTH: Self = Self(4);
    /// The edge shuts down.
    pub const SHUTDOWN: Self = Self(8);

    /// Whether every reason of `other` is in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Stable names of those in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let known = [
            (Self::OPERATOR, "operator"),
            (Self::CAPACITY, "capacity"),
            (Self::HEALTH, "health"),
            (Self::SHUTDOWN, "shutdown"),
        ];
        known.into_iter().filter(move |(reason, _)| self.contains(*reason)).map(|(_, name)| name)
    }

    /// Whether there is no reason.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// This set with the reasons of `other`, if `present`.
    #[must_use]
    pub fn with_if(self, present: bool, other: Self) -> Self {
        if present { self.with(other) } else { self }
    }

    /// This set with the reasons of `other`.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Where an edge serves one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// The URL scheme, lower case: `rtmp`, `rtmps`, `rtsp`, `http`, `https`, … One that the reader does not know is kept.
    pub scheme: &'a str,
    /// The host, when it is another than the report's redirect address.
    pub host: Option<Host<'a>>,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// How busy an edge is. What is unknown is `None`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Load<'a> {
    /// Client connections now, publishers included.
    pub connections: Option<u64>,
    /// Client connections accepted: a running total, which does not run backwards between two starts of the sender.
    pub accepted: Option<u64>,
    /// Whether `accepted` is the agent's estimate rather than the media server's count.
    pub accepted_is_estimate: bool,
    /// Incoming media, bits per second.
    pub in_bits_per_second: Option<u64>,
    /// Outgoing media, bits per second.
    pub out_bits_per_second: Option<u64>,
    /// Share of all processors in use, 0 to 1.
    pub cpu: Option<f32>,
    /// Any other utilisation, by name; 1 is full, and more is possible.
    pub utilisations: ArrayVec<(&'a str, f32), MAX_UTILISATIONS>,
}

/// How much an edge can carry. What is not limited is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Client connections.
    pub connections: Option<u64>,
    /// Outgoing media, bits per second.
    pub bits_per_second: Option<u64>,
}
