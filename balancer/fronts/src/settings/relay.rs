//! `[relay]`: sessions that are relayed to their edge.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

/// Sessions that are relayed to their edge because the client follows no redirect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// Maximum number of concurrent relayed sessions. Further clients are refused.
    ///
    /// Each session takes two file descriptors and about 4 KiB, besides the kernel's buffers for its two connections. A
    /// session with a slow reader also takes a pipe, which is two more file descriptors; at most one session in four
    /// gets one, and beyond that bytes are copied.
    ///
    /// Range: 0 to 500000. Default: 10000.
    #[serde(deserialize_with = "values::within::<_, 0, 500_000>")]
    pub sessions: usize,
    /// Time limit for connecting to one edge: name resolution, TCP and TLS. The RTMP handshake with the edge has the
    /// same limit once more.
    ///
    /// Default: `"2s"`, which outlasts one lost packet, since TCP repeats it after a second.
    #[serde(deserialize_with = "values::duration")]
    pub connect_timeout: Duration,
    /// Maximum number of edges that are tried for one client. With the default, a client is refused after at most three
    /// times `connect_timeout`, six times over RTMP, before it times out itself. Only edges that complete the RTMP
    /// handshake and then do not respond take longer, `[limits] decision_timeout` each, if the balancer has accepted
    /// the client's `connect`.
    ///
    /// Range: 1 to 16. Default: 3.
    #[serde(deserialize_with = "values::within::<_, 1, 16>")]
    pub attempts: usize,
    /// Time for which an edge that was unreachable is skipped while others are available. An edge that is unreachable
    /// but whose agent still reports looks idle, so without this it would attract more and more clients, which would
    /// all wait for `connect_timeout`.
    ///
    /// `"0s"` disables it. Default: `"5s"`.
    #[serde(deserialize_with = "values::duration")]
    pub retry_unreachable_after: Duration,
    /// Time without traffic in either direction after which a session is closed. Without it, a session whose client
    /// disappeared without closing would stay open for ever. RTMP and RTSP send something at least every minute, even
    /// while a player is paused.
    ///
    /// `"off"` disables it. Default: `"5m"`.
    #[serde(deserialize_with = "values::duration_or_off")]
    pub idle_timeout: Option<Duration>,
    /// Maximum number of bytes that wait for a slow reader in one direction of a session, besides the kernel's socket
    /// buffers. They wait in a kernel pipe, which is released once it is empty. All pipes together take at most this
    /// much for one in four of `sessions`. The kernel may grant less, in particular to users other than root that have
    /// many pipes (`fs.pipe-max-size`, `fs.pipe-user-pages-soft`).
    ///
    /// Range: 4096 to 1048576. Default: 262144, which takes a third less processor time for bulk data than the kernel's
    /// default of 65536; larger pipes gain little.
    #[serde(deserialize_with = "values::within::<_, 4096, 1_048_576>")]
    pub pipe_bytes: usize,
    /// Version of the PROXY protocol with which edges receive the client's address: `"v1"`, `"v2"` or `"off"`. An edge
    /// that does not expect the header rejects the connection.
    ///
    /// Default: `"off"`.
    #[serde(deserialize_with = "proxy_protocol")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// A PEM file with the CA certificates that sign edges' certificates, for edges that are connected to over TLS.
    ///
    /// Default: the certificate authorities of Mozilla's root program, which browsers trust.
    pub edge_ca_file: Option<PathBuf>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Version 1: a line of text.
    V1,
    /// Version 2: a binary header.
    V2,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            connect_timeout: Duration::from_secs(2),
            attempts: 3,
            retry_unreachable_after: Duration::from_secs(5),
            idle_timeout: Some(Duration::from_secs(5 * 60)),
            pipe_bytes: 262_144,
            proxy_protocol: None,
            edge_ca_file: None,
        }
    }
}

impl Relay {
    /// Maximum number of pipes. Few sessions have a slow reader at one end, let alone at both.
    pub(crate) fn pipes(&self) -> usize {
        self.sessions.div_ceil(4)
    }

    /// Maximum number of file descriptors for relayed sessions, besides those of the client connections.
    #[must_use]
    pub fn files(&self) -> usize {
        self.sessions + 2 * self.pipes()
    }
}

fn proxy_protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProxyProtocol>, D::Error> {
    let known = [("off", None), ("v1", Some(ProxyProtocol::V1)), ("v2", Some(ProxyProtocol::V2))];
    values::named(deserializer, "a version of the PROXY protocol", &known)
}
