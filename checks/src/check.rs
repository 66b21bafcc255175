//! `[kernel.service.check]`: how it is found out whether a server works.

mod codes;
pub mod written;

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::Deserialize;

pub use codes::Codes;
pub use written::{Kind, Written, WrongCheck};

/// How it is found out whether a server works. [`Written`] has the keys, what they mean and their ranges.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Check {
    /// What the server is asked.
    pub question: Question,
    /// The port that is asked; when there is none, the service's first of this protocol.
    pub port: Option<NonZeroU16>,
    /// How long after a good answer the next question is asked.
    pub interval: Duration,
    /// The same while the server is not known to work; at most `interval`.
    pub fast_interval: Duration,
    /// How long one question may take in all.
    pub timeout: Duration,
    /// So many good answers in a row bring a server up again, 1 to 100.
    pub rise: usize,
    /// So many failures in a row take it down, 1 to 100.
    pub fall: usize,
    /// Whether the server is asked through the virtual address, in the place of its own.
    pub through_address: bool,
    /// The addresses that it is asked from then; the first that this director has counts.
    pub source: Vec<IpAddr>,
}

/// What a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Nothing: it is taken to work.
    Nothing,
    /// To take a connection.
    Tcp {
        /// To agree on TLS, too.
        tls: Option<Tls>,
        /// What is said over it.
        exchange: Exchange,
    },
    /// Not to refuse a datagram.
    Udp(Exchange),
    /// For its options, or to describe a presentation.
    Rtsp {
        /// Over TLS.
        tls: Option<Tls>,
        /// What is asked for. Without a path it is the server's options.
        request: Request,
    },
    /// To let a page be had.
    Http {
        /// Over TLS.
        tls: Option<Tls>,
        /// What is asked for.
        request: Request,
    },
    /// To shake hands.
    Rtmp {
        /// Over TLS.
        tls: Option<Tls>,
    },
    /// Nothing: a program asks it.
    Exec(Command),
}

/// How TLS is agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name that the server is told, and that its certificate must have; without one, its address.
    pub host: Option<String>,
    /// Whether the certificate must be valid. It is shown to browsers, so it must be one that they believe.
    pub verify: bool,
}

/// What is said without a protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What is sent.
    pub send: Option<String>,
    /// What the answer must contain. Without it none is awaited.
    pub receive: Option<String>,
}

/// What is asked for over HTTP or RTSP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The path with its query, from the slash on.
    pub path: Option<String>,
    /// The name that the server is asked by; without one, its address.
    pub host: Option<String>,
    /// Which answers are good.
    pub codes: Codes,
    /// What the body must contain.
    pub receive: Option<String>,
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its absolute path.
    pub program: String,
    /// In each, `{address}` and `{port}` stand for those of the server.
    pub arguments: Vec<String>,
}

impl Question {
    /// Its kind, as it stands in the configuration.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nothing => Kind::None,
            Self::Tcp { .. } => Kind::Tcp,
            Self::Udp(_) => Kind::Udp,
            Self::Rtsp { .. } => Kind::Rtsp,
            Self::Http { .. } => Kind::Http,
            Self::Rtmp { .. } => Kind::Rtmp,
            Self::Exec(_) => Kind::Exec,
        }
    }
}

/// Whether the server takes connections, asked at the pace of the defaults.
impl Default for Check {
    fn default() -> Self {
        let Written { interval, fast_interval, timeout, rise, fall, .. } = Written::default();
        let question = Question::Tcp { tls: None, exchange: Exchange::default() };
        let (port, through_address, source) = (None, false, Vec::new());
        Self { question, port, interval, fast_interval, timeout, rise, fall, through_address, source }
    }
}

#[cfg(test)]
mod tests;
