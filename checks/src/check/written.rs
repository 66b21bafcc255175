//! The keys of a check, and what they may not be together.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::ServerName;
use weir_program::config::values;

use super::{Check, Codes, Command, Exchange, Question, Request, Tls};

/// Longest text that is sent or looked for, in bytes: what fits into one datagram on every path.
pub const MAX_TEXT: usize = 1200;
/// Shortest and longest `interval`, in milliseconds.
pub const INTERVAL: (u64, u64) = (100, 3_600_000);
/// Shortest and longest `timeout`, in milliseconds.
pub const TIMEOUT: (u64, u64) = (10, 60_000);
/// The most of `rise` and `fall`.
pub const MOST_IN_A_ROW: usize = 100;

/// A check as it is written, key by key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// What the server is asked: `"tcp"` to take a connection, `"rtsp"`, `"http"` or `"rtmp"` to answer in that protocol,
    /// `"udp"` not to refuse a datagram; `"exec"` runs a program that finds out; `"none"` takes every server to work.
    /// Default: `"tcp"`.
    pub kind: Kind,
    /// The port that is asked, 1 to 65535. Default: the service's first UDP port for kind udp, its first TCP port for all
    /// others.
    pub port: Option<NonZeroU16>,
    /// Whether it is asked over TLS; for kinds tcp, rtsp, http and rtmp. Default: false.
    pub tls: bool,
    /// Whether the server's certificate must be valid: believed by browsers, not expired, for the `host`. Default: true
    /// with a `host` and false without, since hardly any certificate is for an address. An encrypted connection whose
    /// other end is not verified still shows that the server works.
    pub verify: Option<bool>,
    /// What is asked for, for kinds rtsp and http: a path from the slash on, with a query if need be. Over RTSP the server
    /// is told to describe it (DESCRIBE), and asked for its options (OPTIONS) without. Default over HTTP: `"/"`.
    pub path: Option<String>,
    /// The name that the server is asked by: in the `Host` header or URL, for kinds rtsp and http, and in TLS.
    /// Default: its address.
    pub host: Option<String>,
    /// Which answers are good, for kinds rtsp and http: codes and ranges of them, 100 to 599. A server that wants a
    /// password answers with 401. Default: `["200-399"]`.
    pub codes: Option<Codes>,
    /// What is sent, for kinds tcp and udp, 1 to 1200 bytes. Default: nothing over TCP, an empty datagram over UDP.
    #[serde(deserialize_with = "text")]
    pub send: Option<String>,
    /// What the answer must contain, 1 to 1200 bytes: over HTTP, and RTSP with a path, its body; looked for in the first
    /// 65536 bytes. Without it any answer will do, and over TCP and UDP none. Default: nothing.
    #[serde(deserialize_with = "text")]
    pub receive: Option<String>,
    /// The program that asks, for kind exec, and its arguments, in which `{address}` and `{port}` are replaced. It is
    /// named by its absolute path, and run without a shell. With exit code 0 the server works; otherwise the first line that
    /// it printed says why not.
    pub command: Vec<String>,
    /// How long after the server was asked it is asked again, 100 milliseconds to 1 hour, give or take a tenth, so that
    /// not all are asked in one moment. Default: `"5s"`.
    #[serde(deserialize_with = "values::duration_within::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub interval: Duration,
    /// The same while the server is down, failing or not known yet, 100 milliseconds to 1 hour; if it is longer than
    /// `interval`, that counts. Default: `"1s"`.
    #[serde(deserialize_with = "values::duration_within::<_, { INTERVAL.0 }, { INTERVAL.1 }>")]
    pub fast_interval: Duration,
    /// How long an answer may take, 10 milliseconds to 1 minute, the connection included. Over UDP without `receive` it is
    /// awaited that long whether the datagram is refused. The default outlasts one lost packet, which is sent again
    /// after a second. Default: `"3s"`.
    #[serde(deserialize_with = "values::duration_within::<_, { TIMEOUT.0 }, { TIMEOUT.1 }>")]
    pub timeout: Duration,
    /// So many good answers in a row bring a server up that was down, 1 to 100. Of one that nothing is known of yet, the
    /// first is enough. Default: 2.
    #[serde(deserialize_with = "values::within::<_, 1, { MOST_IN_A_ROW }>")]
    pub rise: usize,
    /// So many failures in a row take a server down, 1 to 100. With 1, each lost packet or restart does. Default: 3.
    #[serde(deserialize_with = "values::within::<_, 1, { MOST_IN_A_ROW }>")]
    pub fall: usize,
    /// Whether the server is asked through the virtual address, as clients ask it, in the place of its own: at the same
    /// port, from an address of the director's own. This finds one that has lost the virtual address. For kinds tcp, rtsp,
    /// http and rtmp, and for kind udp with `receive`: silence would say nothing. Default: false.
    pub through_address: bool,
    /// With `through_address`, the addresses that servers are asked from, an address or a list: of each family the first
    /// that this director has, so that two directors can have the same configuration. None may be a virtual one. Default:
    /// what the route to the server says, or the nearest of the director's addresses if that is a virtual one.
    #[serde(deserialize_with = "values::addresses")]
    pub source: Vec<IpAddr>,
}

/// What a server is asked, by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To take a connection.
    #[default]
    Tcp,
    /// To answer an RTSP request.
    Rtsp,
    /// To answer an HTTP request.
    Http,
    /// To shake hands as RTMP has it.
    Rtmp,
    /// Not to refuse a datagram.
    Udp,
    /// Whatever a program asks.
    Exec,
    /// Nothing.
    None,
}

/// Why keys do not make a check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongCheck {
    /// A key that means nothing for this kind.
    #[error("`{key}` means nothing for a check of kind `{kind}`: remove it")]
    Meaningless {
        /// Which.
        key: &'static str,
        /// The kind.
        kind: Kind,
    },
    /// It has no certificate to verify.
    #[error("`verify` means nothing without `tls = true`: remove it, or add that")]
    VerifyWithoutTls,
    /// RTSP's options have no body.
    #[error("`receive` needs a `path`: without one the server is asked for its options only")]
    ReceiveWithoutPath,
    /// It would be a source of nothing.
    #[error("`source` means nothing without `through_address = true`: remove it, or add that")]
    SourceWithoutAddress,
    /// A server that has lost the virtual address is silent, and so are most that have not.
    #[error("`through_address` needs `receive` for kind `udp`: a server that has lost the address says nothing")]
    SilentThroughAddress,
    /// No program to run.
    #[error("expected `command = [\"/path/of/a/program\", …]`, by its absolute path")]
    Command,
    /// Not a path.
    #[error("`{0}` is not a path: expected one from the slash on, percent-encoded, such as \"/live/camera\"")]
    Path(String),
    /// Not a name.
    #[error("`{0}` is not a host: expected a name or an address, without a port")]
    Host(String),
}

impl Default for Written {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
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

impl TryFrom<Written> for Check {
    type Error = WrongCheck;

    fn try_from(written: Written) -> Result<Self, WrongCheck> {
        let question = written.question()?;
        let Written { port, interval, fast_interval, timeout, rise, fall, through_address, source, .. } = written;
        let fast_interval = fast_interval.min(interval);
        Ok(Self { question, port, interval, fast_interval, timeout, rise, fall, through_address, source })
    }
}

impl Written {
    fn question(&self) -> Result<Question, WrongCheck> {
        self.refuse_meaningless()?;
        if let Some(wrong) = self.path.as_ref().filter(|path| !is_path(path)) {
            return Err(WrongCheck::Path(wrong.clone()));
        }
        if let Some(wrong) = self.host.as_ref().filter(|host| !is_host(host)) {
            return Err(WrongCheck::Host(wrong.clone()));
        }
        if self.verify.is_some() && !self.tls {
            return Err(WrongCheck::VerifyWithoutTls);
        }
        if !self.source.is_empty() && !self.through_address {
            return Err(WrongCheck::SourceWithoutAddress);
        }
        if self.kind == Kind::Udp && self.through_address && self.receive.is_none() {
            return Err(WrongCheck::SilentThroughAddress);
        }
        let tls = self.tls.then(|| Tls { host: self.host.clone(), verify: self.verify.unwrap_or(self.host.is_some()) });
        let exchange = || Exchange { send: self.send.clone(), receive: self.receive.clone() };
        let request = || Request {
            path: self.path.clone(),
            host: self.host.clone(),
            codes: self.codes.clone().unwrap_or_default(),
            receive: self.receive.clone(),
        };
        Ok(match self.kind {
            Kind::None => Question::Nothing,
            Kind::Tcp => Question::Tcp { tls, exchange: exchange() },
            Kind::Udp => Question::Udp(exchange()),
            Kind::Rtsp if self.receive.is_some() && self.path.is_none() => return Err(WrongCheck::ReceiveWithoutPath),
            Kind::Rtsp => Question::Rtsp { tls, request: request() },
            Kind::Http => Question::Http { tls, request: request() },
            Kind::Rtmp => Question::Rtmp { tls },
            Kind::Exec => Question::Exec(self.command()?),
        })
    }

    /// A key that has no effect would be believed to have one.
    fn refuse_meaningless(&self) -> Result<(), WrongCheck> {
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
        let wrong = given.into_iter().find(|(key, is_given)| *is_given && !kind.heeds(key, self.tls));
        wrong.map_or(Ok(()), |(key, _)| Err(WrongCheck::Meaningless { key, kind }))
    }

    fn command(&self) -> Result<Command, WrongCheck> {
        match self.command.split_first() {
            Some((program, arguments)) if is_program(program) => {
                Ok(Command { program: program.clone(), arguments: arguments.to_vec() })
            }
            _ => Err(WrongCheck::Command),
        }
    }
}

impl Kind {
    /// Whether this key means something for a check of this kind, over TLS or not.
    pub fn heeds(self, key: &str, tls: bool) -> bool {
        use Kind::{Exec, Http, Rtmp, Rtsp, Tcp, Udp};
        let kinds: &[Self] = match key {
            "tls" => &[Tcp, Rtsp, Http, Rtmp],
            // In TLS it is a name whatever is spoken within.
            "host" if tls => &[Tcp, Rtsp, Http, Rtmp],
            "path" | "host" | "codes" => &[Rtsp, Http],
            "send" => &[Tcp, Udp],
            "receive" => &[Tcp, Udp, Rtsp, Http],
            "command" => &[Exec],
            // What a program sends has no mark, and would be balanced as a client's.
            "through_address" => &[Tcp, Udp, Rtsp, Http, Rtmp],
            _ => return true,
        };
        kinds.contains(&self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Rtsp => "rtsp",
            Self::Http => "http",
            Self::Rtmp => "rtmp",
            Self::Udp => "udp",
            Self::Exec => "exec",
            Self::None => "none",
        })
    }
}

/// Whether it can stand in a request line as it is.
pub fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// Whether a server can be asked by this name.
pub fn is_host(text: &str) -> bool {
    ServerName::try_from(text).is_ok()
}

/// Whether this program can be run: its path is absolute.
pub fn is_program(text: &str) -> bool {
    text.starts_with('/')
}

/// Whether this can be sent or looked for.
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
