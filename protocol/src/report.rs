//! The contents of a report: state, addresses, load and capacity of one edge.
//!
//! A field that the agent does not know is `None`: unknown is not zero. Texts borrow from the datagram (at the agent,
//! from its configuration), and lists are bounded and stored in place, so that neither writing nor reading a report
//! allocates.

use std::net::IpAddr;
use std::time::Duration;

use crate::host::Host;
use crate::name::Name;

/// A list of bounded length, stored in place.
pub use arrayvec::ArrayVec;

/// Maximum number of endpoints in a report: eight protocols, each plain and with TLS.
pub const MAX_ENDPOINTS: usize = 16;
/// Maximum number of tags in a report.
pub const MAX_TAGS: usize = 16;
/// Maximum number of named utilisations in a report.
pub const MAX_UTILISATIONS: usize = 8;
/// Maximum number of stream hashes in a report; 32 of them take 288 of the 1200 bytes.
pub const MAX_HOT_STREAMS: usize = 32;

/// Hashes of streams ([`stream`](crate::stream)), those with the most viewers first.
pub type HotStreams = ArrayVec<u64, MAX_HOT_STREAMS>;

/// One report of one edge.
///
/// ```
/// use std::time::Duration;
///
/// use weir_protocol::report::{Endpoint, Report, Status};
/// use weir_protocol::{Host, Name};
///
/// let (boot_time, now) = (1_790_000_000_000, 1_790_000_002_500);
/// let mut report = Report::new(boot_time, now, Duration::from_millis(2500));
/// report.redirect = Host::new("edge1.example.com").ok();
/// report.endpoints.push(Endpoint::new("rtmp", 1935));
/// report.zone = Name::new("eu-west").ok();
/// report.load.connections = Some(1200);
/// report.capacity.connections = Some(5000);
/// assert_eq!(report.status, Status::Running);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report<'a> {
    /// Whether the edge takes new clients.
    pub status: Status,
    /// The reasons not to take new clients. They are independent: removing one leaves the others.
    pub reasons: Reasons,
    /// The time at which the sender started, in milliseconds since the Unix epoch by its own clock. Orders boot salts.
    pub boot_time: u64,
    /// The time at which the report was sent, in milliseconds since the Unix epoch by the sender's clock.
    pub send_time: u64,
    /// The time to the next regular report, 100 ms to 1 h.
    pub interval: Duration,
    /// The host to which clients are redirected; if absent, the address from which the report was sent.
    pub redirect: Option<Host<'a>>,
    /// The protocols that the edge serves. If empty, every protocol at the port that the client used at the balancer.
    pub endpoints: ArrayVec<Endpoint<'a>, MAX_ENDPOINTS>,
    /// The address to which kernel mode forwards.
    pub real_server: Option<IpAddr>,
    /// The zone (site, region) of the edge.
    pub zone: Option<Name<'a>>,
    /// Labels by which rules can select edges.
    pub tags: ArrayVec<Name<'a>, MAX_TAGS>,
    /// Share of clients relative to other edges; finite and greater than 0, 1 if absent.
    pub weight: Option<f32>,
    /// The load of the edge.
    pub load: Load<'a>,
    /// The limits of the edge.
    pub capacity: Capacity,
    /// Hashes of the streams with the most viewers, in descending order of viewers.
    pub hot_streams: HotStreams,
    /// Version of the agent, for display.
    pub agent_version: Option<Name<'a>>,
    /// The id of the last command that was executed and came from the balancer to which this report goes.
    pub last_command: Option<u64>,
    /// While draining with a deadline: the time left, from the send time.
    pub drain_deadline: Option<Duration>,
}

impl Report<'_> {
    /// A report of a running edge about which nothing else is known.
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

    /// This report after `change`, for use in an expression.
    ///
    /// ```
    /// use weir_protocol::report::Status;
    /// # use std::time::Duration;
    /// # use weir_protocol::Report;
    /// # let running = Report::new(1, 2, Duration::from_secs(2));
    /// let stopping = running.with(|report| report.status = Status::Stopping);
    /// ```
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// Whether an edge takes new clients.
///
/// Exhaustive on purpose: a reader of version 1 rejects a report with any other status, so a new one needs a new
/// version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Takes new clients.
    Running = 0,
    /// Takes no new clients. Existing sessions continue.
    Paused = 1,
    /// Takes no new clients, and should become empty.
    Draining = 2,
    /// Takes no new clients: the edge shuts down, and this is its last report.
    Stopping = 3,
}

impl Status {
    /// A stable name, for logs and metrics.
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

/// A set of independent reasons not to take new clients, as the bits that the wire has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Reasons(pub u8);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);
    /// An operator's command.
    pub const OPERATOR: Self = Self(1);
    /// A limit on connections or bandwidth is reached.
    pub const CAPACITY: Self = Self(2);
    /// The media server does not answer, or the probe of its load fails.
    pub const HEALTH: Self = Self(4);
    /// The edge shuts down.
    pub const SHUTDOWN: Self = Self(8);

    /// Returns whether every reason of `other` is in this set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Stable names of the reasons in the set.
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

/// A protocol that an edge serves, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint<'a> {
    /// The URL scheme in lower case: `rtmp`, `rtmps`, `rtsp`, `http`, `https`, … Readers keep schemes that they do not
    /// know.
    pub scheme: &'a str,
    /// The host, if it is not the report's redirect address.
    pub host: Option<Host<'a>>,
    /// The port, 1 to 65535.
    pub port: u16,
}

impl<'a> Endpoint<'a> {
    /// An endpoint at the report's redirect address.
    #[must_use]
    pub const fn new(scheme: &'a str, port: u16) -> Self {
        Self { scheme, host: None, port }
    }

    /// This endpoint at another host; `None` for the report's redirect address.
    #[must_use]
    pub const fn at(self, host: Option<Host<'a>>) -> Self {
        Self { host, ..self }
    }
}

/// The load of an edge. An unknown figure is `None`.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Load<'a> {
    /// Current client connections, publishers included.
    pub connections: Option<u64>,
    /// Client connections accepted: a running total, which does not decrease until the sender restarts.
    pub accepted: Option<u64>,
    /// Whether `accepted` is the agent's estimate rather than the media server's count.
    pub accepted_is_estimate: bool,
    /// Incoming media, in bits per second.
    pub in_bits_per_second: Option<u64>,
    /// Outgoing media, in bits per second.
    pub out_bits_per_second: Option<u64>,
    /// Share of all processors in use, 0 to 1.
    pub cpu: Option<f32>,
    /// Other utilisations by name; 1 is full, and a value may exceed 1.
    pub utilisations: ArrayVec<(Name<'a>, f32), MAX_UTILISATIONS>,
}

/// The limits of an edge. `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Capacity {
    /// Maximum number of client connections.
    pub connections: Option<u64>,
    /// Maximum rate of outgoing media, in bits per second.
    pub bits_per_second: Option<u64>,
}

impl Capacity {
    /// An edge without limits.
    pub const UNLIMITED: Self = Self { connections: None, bits_per_second: None };

    /// These limits with another on connections.
    #[must_use]
    pub const fn with_connections(self, connections: Option<u64>) -> Self {
        Self { connections, ..self }
    }

    /// These limits with another on the rate of outgoing media, in bits per second.
    #[must_use]
    pub const fn with_bits_per_second(self, bits_per_second: Option<u64>) -> Self {
        Self { bits_per_second, ..self }
    }
}
