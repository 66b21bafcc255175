//! The keys of a check, and the combinations that are rejected.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::ServerName;
use weir_program::config::values;

use super::{Check, Codes, Exchange, Probe, ProbeRequest, Program, Tls};

/// Maximum length of `send` and `receive`, in bytes: what fits into one datagram on every path.
pub const MAX_TEXT: usize = 1200;
/// Range of `interval` and `fast_interval`, in milliseconds.
pub const INTERVAL: (u64, u64) = (100, 3_600_000);
/// Range of `timeout`, in milliseconds.
pub const TIMEOUT: (u64, u64) = (10, 60_000);
/// Maximum of `rise` and `fall`.
pub const MAX_CONSECUTIVE: usize = 100;

/// The section `[kernel.service.check]` as written, key by key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckSection {
    /// Kind of probe: `"tcp"` connects; `"rtsp"`, `"http"` and `"rtmp"` expect a response in that protocol; `"udp"`
    /// sends a datagram that must not be refused; `"exec"` runs a program; `"none"` considers every server up. Default:
    /// `"tcp"`.
    pub kind: ProbeKind,
    /// Port to probe, 1 to 65535. Default: the service's first UDP port for kind udp, its first TCP port for all
    /// others.
    pub port: Option<NonZeroU16>,
    /// Whether to use TLS, for kinds tcp, rtsp, http and rtmp. Default: false.
    pub tls: bool,
    /// Whether to verify the server's certificate: trusted by browsers, not expired, and valid for `host`. Default:
    /// true with a `host` and false without, since certificates are rarely issued for addresses. An encrypted
    /// connection to an unverified peer still shows that the server works.
    pub verify: Option<bool>,
    /// Absolute path, with a query if needed, for kinds rtsp and http. Over RTSP, the server is sent DESCRIBE for this
    /// path, and OPTIONS without a path. Default over HTTP: `"/"`.
    pub path: Option<String>,
    /// Host name in the request (the `Host` header or the URL, for kinds rtsp and http) and in TLS. Default: the
    /// server's address.
    pub host: Option<String>,
    /// Accepted status codes and ranges of them, 100 to 599, for kinds rtsp and http. A server that requires a password
    /// responds with 401. Default: `["200-399"]`.
    pub codes: Option<Codes>,
    /// Text to send, for kinds tcp and udp, 1 to 1200 bytes. Default: nothing over TCP, an empty datagram over UDP.
    #[serde(deserialize_with = "text")]
    pub send: Option<String>,
    /// Text that the response must contain, 1 to 1200 bytes. Over HTTP, and over RTSP with a path, the body is
    /// searched. Only the first 65536 bytes are searched. Default: any response is accepted, and over TCP and UDP none
    /// is required.
    #[serde(deserialize_with = "text")]
    pub receive: Option<String>,
    /// The program for kind exec, by its absolute path, and its arguments, in which `{address}` and `{port}` are
    /// replaced. It runs without a shell. Exit code 0 means that the server is up; otherwise the first line of its
    /// output is the reason.
    pub command: Vec<String>,
    /// Time between two probes, 100 milliseconds to 1 hour, with a random deviation of up to 10 % so that probes are
    /// spread. Default: `"5s"`.
    #[serde(deserialize_with = "values::duration_within::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub interval: Duration,
    /// Time between two probes while the server is down, failing or not checked yet, 100 milliseconds to 1 hour;
    /// `interval` if that is shorter. Default: `"1s"`.
    #[serde(deserialize_with = "values::duration_within::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub fast_interval: Duration,
    /// Time limit for a whole probe including the connection, 10 milliseconds to 1 minute. Over UDP without `receive`,
    /// the probe waits this long for the datagram to be refused. The default tolerates one lost packet, which TCP
    /// retransmits after a second. Default: `"3s"`.
    #[serde(deserialize_with = "values::duration_within::<_, { TIMEOUT.0 }, { TIMEOUT.1 }>")]
    pub timeout: Duration,
    /// Consecutive successes that bring a server up that was down, 1 to 100. For a server that was not checked yet, the
    /// first success is enough. Default: 2.
    #[serde(deserialize_with = "values::within::<_, 1, { MAX_CONSECUTIVE }>")]
    pub rise: usize,
    /// Consecutive failures that take a server down, 1 to 100. With 1, every lost packet and every restart takes it
    /// down. Default: 3.
    #[serde(deserialize_with = "values::within::<_, 1, { MAX_CONSECUTIVE }>")]
    pub fall: usize,
    /// Whether to probe the virtual address as clients use it, instead of the server's own address: on the same port,
    /// from one of the director's own addresses. This detects a server that has lost the virtual address. For kinds
    /// tcp, rtsp, http and rtmp, and for kind udp with `receive`, since silence would prove nothing. Default: false.
    pub through_address: bool,
    /// Source addresses for `through_address`, an address or a list. For each family, the first that this director has
    /// is used, so that two directors can share a configuration. Virtual addresses are not allowed. Default: the source
    /// address of the route to the server, or if that is a virtual address, the director's address that is closest to
    /// the server's.
    #[serde(deserialize_with = "values::addresses")]
    pub source: Vec<IpAddr>,
}

/// Kind of probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    /// A TCP connection.
    #[default]
    Tcp,
    /// An RTSP request.
    Rtsp,
    /// An HTTP request.
    Http,
    /// An RTMP handshake.
    Rtmp,
    /// A UDP datagram.
    Udp,
    /// A program.
    Exec,
    /// No probe.
    None,
}

/// Why the keys of a section are rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A key that this kind of probe does not use.
    #[error("`{key}` is not used by checks of kind `{kind}`; remove it")]
    UnusedKey {
        /// The key.
        key: &'static str,
        /// The kind.
        kind: ProbeKind,
    },
    /// Without TLS there is no certificate to verify.
    #[error("`verify` requires `tls = true`; add it, or remove `verify`")]
    VerifyWithoutTls,
    /// The response to OPTIONS has no body.
    #[error("`receive` requires `path`; without a path, only OPTIONS is sent, and its response has no body")]
    ReceiveWithoutPath,
    /// Only probes of the virtual address have a configured source.
    #[error("`source` requires `through_address = true`; add it, or remove `source`")]
    SourceWithoutThroughAddress,
    /// A server that has lost the virtual address is as silent over UDP as most servers that have not.
    #[error(
        "`through_address` requires `receive` for kind `udp`; without a response, a lost address cannot be detected"
    )]
    ThroughAddressWithoutReceive,
    /// No program, or a relative path.
    #[error("expected `command = [\"/path/to/program\", …]` with an absolute path")]
    Command,
    /// Not an absolute path.
    #[error("`{0}` is not a valid path; expected an absolute, percent-encoded path such as \"/live/camera\"")]
    Path(String),
    /// Not a host name or address.
    #[error("`{0}` is not a valid host; expected a name or an address, without a port")]
    Host(String),
}

impl Default for CheckSection {
    fn default() -> Self {
        Self {
            kind: ProbeKind::default(),
            port: None,
            tls: false,
            verify: None,
            path: None,
            host: None,
            codes: None,
            send: None,
            receive: None,
            command: Vec::new(),
            interval: Duration::from_secs(5),
            fast_interval: Duration::from_secs(1),
            timeout: Duration::from_secs(3),
            rise: 2,
            fall: 3,
            through_address: false,
            source: Vec::new(),
        }
    }
}

impl TryFrom<CheckSection> for Check {
    type Error = CheckError;

    fn try_from(section: CheckSection) -> Result<Self, CheckError> {
        let probe = section.probe()?;
        let CheckSection { port, interval, fast_interval, timeout, rise, fall, through_address, source, .. } = section;
        let fast_interval = fast_interval.min(interval);
        Ok(Self { probe, port, interval, fast_interval, timeout, rise, fall, through_address, source })
    }
}

impl CheckSection {
    fn probe(&self) -> Result<Probe, CheckError> {
        self.reject_unused_keys()?;
        if let Some(path) = self.path.as_ref().filter(|path| !is_path(path)) {
            return Err(CheckError::Path(path.clone()));
        }
        if let Some(host) = self.host.as_ref().filter(|host| !is_host(host)) {
            return Err(CheckError::Host(host.clone()));
        }
        if self.verify.is_some() && !self.tls {
            return Err(CheckError::VerifyWithoutTls);
        }
        if !self.source.is_empty() && !self.through_address {
            return Err(CheckError::SourceWithoutThroughAddress);
        }
        if self.kind == ProbeKind::Udp && self.through_address && self.receive.is_none() {
            return Err(CheckError::ThroughAddressWithoutReceive);
        }
        let tls = self.tls.then(|| Tls { host: self.host.clone(), verify: self.verify.unwrap_or(self.host.is_some()) });
        let exchange = || Exchange { send: self.send.clone(), receive: self.receive.clone() };
        let request = || ProbeRequest {
            path: self.path.clone(),
            host: self.host.clone(),
            codes: self.codes.clone().unwrap_or_default(),
            receive: self.receive.clone(),
        };
        Ok(match self.kind {
            ProbeKind::None => Probe::None,
            ProbeKind::Tcp => Probe::Tcp { tls, exchange: exchange() },
            ProbeKind::Udp => Probe::Udp(exchange()),
            ProbeKind::Rtsp if self.receive.is_some() && self.path.is_none() => {
                return Err(CheckError::ReceiveWithoutPath);
            }
            ProbeKind::Rtsp => Probe::Rtsp { tls, request: request() },
            ProbeKind::Http => Probe::Http { tls, request: request() },
            ProbeKind::Rtmp => Probe::Rtmp { tls },
            ProbeKind::Exec => Probe::Exec(self.program()?),
        })
    }

    /// Rejects keys without an effect, since an operator would rely on them.
    fn reject_unused_keys(&self) -> Result<(), CheckError> {
        let kind = self.kind;
        let given = [
            ("tls", self.tls),
            ("path", self.path.is_some()),
            ("host", self.host.is_some()),
            ("codes", self.codes.is_some()),
            ("send", self.send.is_some()),
            ("receive", self.receive.is_some()),
            ("command", !self.command.is_empty()),
            ("through_address", self.through_address),
        ];
        let unused = given.into_iter().find(|(key, is_given)| *is_given && !kind.uses(key, self.tls));
        unused.map_or(Ok(()), |(key, _)| Err(CheckError::UnusedKey { key, kind }))
    }

    fn program(&self) -> Result<Program, CheckError> {
        match self.command.split_first() {
            Some((path, arguments)) if is_program(path) => {
                Ok(Program { path: path.clone(), arguments: arguments.to_vec() })
            }
            _ => Err(CheckError::Command),
        }
    }
}

impl ProbeKind {
    /// Every kind, in the order of the enumeration.
    pub const ALL: [Self; 7] = [Self::Tcp, Self::Rtsp, Self::Http, Self::Rtmp, Self::Udp, Self::Exec, Self::None];

    /// Returns the name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Rtsp => "rtsp",
            Self::Http => "http",
            Self::Rtmp => "rtmp",
            Self::Udp => "udp",
            Self::Exec => "exec",
            Self::None => "none",
        }
    }

    /// Returns whether checks of this kind use `key`, with or without TLS.
    pub fn uses(self, key: &str, tls: bool) -> bool {
        use ProbeKind::{Exec, Http, Rtmp, Rtsp, Tcp, Udp};
        let kinds: &[Self] = match key {
            "tls" => &[Tcp, Rtsp, Http, Rtmp],
            // The server name in TLS, whatever the protocol inside.
            "host" if tls => &[Tcp, Rtsp, Http, Rtmp],
            "path" | "host" | "codes" => &[Rtsp, Http],
            "send" => &[Tcp, Udp],
            "receive" => &[Tcp, Udp, Rtsp, Http],
            "command" => &[Exec],
            // Packets of a program have no mark, and would be balanced like those of clients.
            "through_address" => &[Tcp, Udp, Rtsp, Http, Rtmp],
            _ => return true,
        };
        kinds.contains(&self)
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Returns whether the text is an absolute path that needs no further encoding in a request line.
pub fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// Returns whether the text is a host name or an address.
pub fn is_host(text: &str) -> bool {
    ServerName::try_from(text).is_ok()
}

/// Returns whether the text is an absolute path of a program.
pub fn is_program(text: &str) -> bool {
    text.starts_with('/')
}

/// Returns whether the text has a length that is allowed for `send` and `receive`.
pub fn is_text(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_text(&text) {
        return Ok(Some(text));
    }
    Err(serde::de::Error::custom(format_args!("out of range: expected 1 to {MAX_TEXT} bytes")))
}
