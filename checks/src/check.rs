//! `[kernel.service.check]`: how a server is checked.

mod codes;
pub mod section;

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::Deserialize;

pub use codes::Codes;
pub use section::{CheckError, CheckSection, ProbeKind};

/// How a server is checked. [`CheckSection`] documents the keys and their ranges.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CheckSection")]
pub struct Check {
    /// The probe to send.
    pub probe: Probe,
    /// Port to probe; `None` for the service's first port of the probe's protocol.
    pub port: Option<NonZeroU16>,
    /// Time between two probes while the server is up and its last probe succeeded.
    pub interval: Duration,
    /// Time between two probes otherwise; at most `interval`.
    pub fast_interval: Duration,
    /// Time limit for a whole probe.
    pub timeout: Duration,
    /// Consecutive successes that bring a server up that was down, 1 to 100.
    pub rise: usize,
    /// Consecutive failures that take a server down, 1 to 100.
    pub fall: usize,
    /// Whether to probe the virtual address instead of the server's own address.
    pub through_address: bool,
    /// Source addresses for `through_address`; the first that this director has is used.
    pub source: Vec<IpAddr>,
}

/// What a probe does, and which outcome is a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Nothing: the server is considered up.
    None,
    /// Connects over TCP.
    Tcp {
        /// TLS settings, to complete a TLS handshake as well.
        tls: Option<Tls>,
        /// Text to send and to expect on the connection.
        exchange: Exchange,
    },
    /// Sends a datagram, which must not be refused (ICMP).
    Udp(Exchange),
    /// Sends an RTSP request: OPTIONS, or DESCRIBE when there is a path.
    Rtsp {
        /// TLS settings, for RTSP over TLS.
        tls: Option<Tls>,
        /// The request, and the responses that count as success.
        request: ProbeRequest,
    },
    /// Sends an HTTP GET request.
    Http {
        /// TLS settings, for HTTPS.
        tls: Option<Tls>,
        /// The request, and the responses that count as success.
        request: ProbeRequest,
    },
    /// Performs the RTMP handshake.
    Rtmp {
        /// TLS settings, for RTMP over TLS.
        tls: Option<Tls>,
    },
    /// Runs a program that checks the server.
    Exec(Program),
}

/// TLS settings of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Server name (SNI), for which the certificate must be valid; `None` for the server's address.
    pub host: Option<String>,
    /// Whether to verify the certificate, against the root certificates that browsers trust.
    pub verify: bool,
}

/// Text that is sent and expected without any protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Text to send.
    pub send: Option<String>,
    /// Text that the response must contain; without it, no response is required.
    pub receive: Option<String>,
}

/// An HTTP or RTSP request, and the responses that count as success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Absolute path with its query.
    pub path: Option<String>,
    /// Host name in the request; `None` for the server's address.
    pub host: Option<String>,
    /// Accepted status codes.
    pub codes: Codes,
    /// Text that the body must contain.
    pub receive: Option<String>,
}

/// A program that checks a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Absolute path of the program.
    pub path: String,
    /// Its arguments, in which `{address}` and `{port}` stand for those of the server.
    pub arguments: Vec<String>,
}

/// A TCP connection at the default intervals.
impl Default for Check {
    fn default() -> Self {
        let CheckSection { interval, fast_interval, timeout, rise, fall, .. } = CheckSection::default();
        let probe = Probe::Tcp { tls: None, exchange: Exchange::default() };
        let (port, through_address, source) = (None, false, Vec::new());
        Self { probe, port, interval, fast_interval, timeout, rise, fall, through_address, source }
    }
}

#[cfg(test)]
mod tests;
