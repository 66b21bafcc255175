//! Why a server has not answered as it should.

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use rustix::io::Errno;

/// Why a server has not answered as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody listens: it refuses the connection, or the datagram.
    #[error("nobody listens at its port")]
    Refused,
    /// It cannot be connected to otherwise, or the connection breaks.
    #[error("{0}")]
    Connect(String),
    /// It does not do in time what was awaited.
    #[error("{0} in time")]
    Timeout(Awaited),
    /// It does not agree on TLS, or its certificate is not valid.
    #[error("tls: {0}")]
    Tls(String),
    /// It ends the connection before it has answered.
    #[error("it closes the connection without an answer")]
    Closed,
    /// What it says is not in the protocol that it was asked in.
    #[error("its answer is no {0}")]
    Malformed(&'static str),
    /// It answers with a code that is not good.
    #[error("it answers with {0}")]
    Status(u16),
    /// It answers, but not what the answer must contain.
    #[error("its answer does not contain what is awaited")]
    Content,
    /// The program that asks it says that it does not work.
    #[error("{0}")]
    Exit(String),
    /// It does not answer as it should at a virtual address that it was asked through.
    #[error("through {0}: {1}")]
    Through(IpAddr, Box<Self>),
    /// It could not be asked, for a reason that lies here: nothing is known of the server.
    #[error("it cannot be asked: {0}")]
    Ours(String),
}

/// What has not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Awaited {
    /// A TCP connection.
    #[error("it takes no connection")]
    Connection,
    /// The end of the TLS handshake.
    #[error("it does not agree on TLS")]
    Tls,
    /// An answer, or the rest of it.
    #[error("it does not answer")]
    Answer,
    /// The end of the program that asks it.
    #[error("the program does not end")]
    Exit,
}

impl Failure {
    /// Whether the reason lies here, so that nothing is known of the server.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Ours(_) => true,
            Self::Through(_, failure) => failure.is_ours(),
            _ => false,
        }
    }

    /// The same, of a server that was asked through this virtual address.
    #[must_use]
    pub fn through(self, address: IpAddr) -> Self {
        Self::Through(address, Box::new(self))
    }

    /// A stable name for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Connect(_) => "connect",
            Self::Timeout(_) => "timeout",
            Self::Tls(_) => "tls",
            Self::Closed => "closed",
            Self::Malformed(_) => "malformed",
            Self::Status(_) => "status",
            Self::Content => "content",
            Self::Exit(_) => "exit",
            Self::Ours(_) => "ours",
            Self::Through(_, failure) => failure.reason(),
        }
    }

    /// Something could not be done that no server has a part in.
    pub(super) fn ours(what: &str, error: &io::Error) -> Self {
        Self::Ours(format!("{what}: {error}"))
    }
}

/// A connection that could not be made, or broke.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => return Self::Refused,
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Self::Closed,
            _ => {}
        }
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            // No file descriptor, port, memory or right.
            Some(
                Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ADDRNOTAVAIL
                | Errno::PERM
                | Errno::ACCESS
                | Errno::AFNOSUPPORT
                | Errno::INVAL,
            ) => Self::Ours(error.to_string()),
            _ => Self::Connect(error.to_string()),
        }
    }
}
