//! Why a probe failed.

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use rustix::io::Errno;

/// Why a probe failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server refused the connection or the datagram: no process listens on the port.
    #[error("connection refused")]
    Refused,
    /// The connection could not be established for another reason, or it broke.
    #[error("{0}")]
    Connect(String),
    /// The probe exceeded its time limit in this phase.
    #[error("timed out {0}")]
    Timeout(Phase),
    /// The TLS handshake failed, or the certificate is not valid.
    #[error("tls: {0}")]
    Tls(String),
    /// The server closed the connection before the response was complete.
    #[error("connection closed before the response")]
    Closed,
    /// The response is not valid in the protocol of the probe.
    #[error("response is not valid {0}")]
    Malformed(&'static str),
    /// The response has a status code that is not accepted.
    #[error("unexpected status code {0}")]
    Status(u16),
    /// The response does not contain the expected text.
    #[error("response does not contain the expected text")]
    Content,
    /// The program exited with a code other than 0; the text is its own reason.
    #[error("{0}")]
    Exit(String),
    /// The probe of a virtual address failed.
    #[error("through {0}: {1}")]
    Through(IpAddr, Box<Self>),
    /// The probe could not run for a local reason. The server's state is unknown.
    #[error("{0}")]
    Local(String),
}

/// The phase of a probe that exceeded the time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// Establishing the TCP connection.
    #[error("while connecting")]
    Connect,
    /// The TLS handshake.
    #[error("during the TLS handshake")]
    Tls,
    /// Waiting for the response, or for the rest of it.
    #[error("waiting for the response")]
    Response,
    /// Waiting for the program to exit.
    #[error("waiting for the program to exit")]
    Exit,
}

impl Failure {
    /// Returns whether the reason is local, so that the probe says nothing about the server.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Through(_, failure) => failure.is_local(),
            _ => false,
        }
    }

    /// Adds the virtual address that was probed.
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
            Self::Local(_) => "local",
            Self::Through(_, failure) => failure.reason(),
        }
    }

    /// A local failure of the operation `what`.
    pub(super) fn local(what: &str, error: &io::Error) -> Self {
        Self::Local(format!("{what}: {error}"))
    }
}

/// An error on a connection to the server.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => return Self::Refused,
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Self::Closed,
            _ => {}
        }
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            // A lack of file descriptors, ports, memory or permissions.
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
            ) => Self::Local(error.to_string()),
            _ => Self::Connect(error.to_string()),
        }
    }
}
