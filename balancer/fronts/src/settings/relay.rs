//! `[relay]`: clients whose bytes the balancer carries to their edge and back.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

/// Clients whose bytes the balancer carries to their edge and back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// Clients that are relayed at a time, 0 to 500000; one more is refused. Each takes two file descriptors, and
    /// one in four may have a pipe, which takes two more, while one of its ends reads slowly: beyond that bytes are
    /// copied. Besides that, and what the kernel keeps for its two connections, it takes some 4 KiB. Default: 10000.
    #[serde(deserialize_with = "values::within::<_, 0, 500_000>")]
    pub sessions: usize,
    /// How long one edge may take to be reached: its name looked up, TCP and TLS connected; and over RTMP as long again to
    /// shake hands. The default outlasts one lost packet, which is sent again after a second. Default: `"2s"`.
    #[serde(deserialize_with = "values::duration")]
    pub connect_timeout: Duration,
    /// How many edges are tried for a client, 1 to 16. With the default a client is refused after three times
    /// `connect_timeout`, or over RTMP six times, before it has lost patience itself; only edges that shake hands and then
    /// say nothing to a client whose connect was accepted here take longer, `[limits] decision_timeout` each. Default: 3.
    #[serde(deserialize_with = "values::within::<_, 1, 16>")]
    pub attempts: usize,
    /// How long an edge that could not be reached is passed over while another can take the client, or `"0s"`. While it is
    /// out of reach and its agent still reports, clients would wait for it in vain, and more and more of them, since it
    /// seems to have nothing to do. Default: `"5s"`.
    #[serde(deserialize_with = "values::duration")]
    pub retry_unreachable_after: Duration,
    /// How long nothing may go either way before a session is closed, or `"off"`. A client that vanished without a word
    /// would stay forever otherwise. RTMP and RTSP send something every minute, even while a player pauses.
    /// Default: `"5m"`.
    #[serde(deserialize_with = "values::duration_or_off")]
    pub idle_timeout: Option<Duration>,
    /// How many bytes may wait in one direction for a slow reader, 4096 to 1048576, beyond what the system keeps for the
    /// two connections. They wait in a pipe of the kernel, which is given back when nothing waits. The kernel may allow
    /// less, and less still to users other than root who have many pipes (`fs.pipe-max-size`, `fs.pipe-user-pages-soft`).
    /// All pipes together take this much for one in four of `sessions` at worst.
    /// The default carries bulk with a third less processor time than the system's own 65536, and more gains little.
    /// Default: 262144.
    #[serde(deserialize_with = "values::within::<_, 4096, 1_048_576>")]
    pub pipe_bytes: usize,
    /// Whether edges are told the client's address ahead of its bytes, by the PROXY protocol: `"v1"`, `"v2"` or `"off"`.
    /// An edge that does not expect it takes it for garbage. Default: `"off"`.
    #[serde(deserialize_with = "proxy_protocol")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The certificates, in PEM, of the authorities that edges' certificates are believed from, for edges reached over
    /// TLS. Default: the authorities that browsers believe, as Mozilla lists them.
    pub edge_ca_file: Option<PathBuf>,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// A binary header.
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
    /// How many pipes there may be. Few sessions have a slow reader at one end, let alone at both.
    pub(crate) fn pipes(&self) -> usize {
        self.sessions.div_ceil(4)
    }

    /// How many files may be open for the sessions, besides those of the clients.
    #[must_use]
    pub fn files(&self) -> usize {
        self.sessions + 2 * self.pipes()
    }
}

fn proxy_protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProxyProtocol>, D::Error> {
    let known = [("off", None), ("v1", Some(ProxyProtocol::V1)), ("v2", Some(ProxyProtocol::V2))];
    values::named(deserializer, "a version of the PROXY protocol", &known)
}
