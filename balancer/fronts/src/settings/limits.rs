//! `[limits]`: limits on what clients may consume.

use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

use crate::{http, rtmp, rtsp};

/// Limits on what clients may consume.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Number of worker threads that serve clients.
    ///
    /// Range: 1 to 1024. Default: one per core.
    #[serde(deserialize_with = "workers")]
    pub workers: Option<usize>,
    /// Maximum number of concurrent client connections, relayed ones included. A further connection that cannot be
    /// answered at once is closed. Each connection takes one file descriptor and about 20 KiB.
    ///
    /// Range: 1 to 1000000. Default: 20000.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub connections: usize,
    /// Maximum number of concurrent connections from one address, so that no single client can take all of
    /// `connections`. IPv6 addresses with the same first 64 bits count as one, since a host can use them all. A client
    /// behind a proxy counts for the address in the PROXY protocol header. Connections that are answered at once do not
    /// count.
    ///
    /// Range: 1 to 1000000. Default: 5000, which leaves room for many clients behind one address, such as a
    /// carrier-grade NAT or a proxy that does not send client addresses.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub connections_per_address: usize,
    /// Time limit for a client to complete its request, to read each 64 KiB of an answer, and to send the next request
    /// on an idle HTTP connection. Real clients need one or two round trips.
    ///
    /// Range: `"10ms"` to `"1h"`. Default: `"10s"`, which leaves room for retransmissions on poor links.
    #[serde(deserialize_with = "values::duration_within::<_, 10, 3_600_000>")]
    pub decision_timeout: Duration,
    /// Time to wait for a client to close the connection after the last answer. Closing first could reset the
    /// connection before the answer arrives. Real clients close within a round trip.
    ///
    /// Range: `"0s"` to `"1h"`. Default: `"2s"`.
    #[serde(deserialize_with = "values::duration_within::<_, 0, 3_600_000>")]
    pub linger: Duration,
    /// Maximum number of bytes that are received and discarded during `linger`. The connection is closed beyond that.
    ///
    /// Range: 0 to 1073741824. Default: 2097152, so that a client that sends a megabyte instead of a line still reads
    /// why it was refused.
    #[serde(deserialize_with = "values::within::<_, 0, 1_073_741_824>")]
    pub linger_bytes: usize,
    /// `[limits.repeats]`: detection of redirect loops.
    pub repeats: Repeats,
    /// `[limits.http]`: limits for HTTP clients.
    pub http: http::Limits,
    /// `[limits.rtmp]`: limits for RTMP clients.
    pub rtmp: rtmp::Limits,
    /// `[limits.rtsp]`: limits for RTSP clients.
    pub rtsp: rtsp::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: None,
            connections: 20_000,
            connections_per_address: 5000,
            decision_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            linger_bytes: 2 * 1024 * 1024,
            repeats: Repeats::default(),
            http: http::Limits::default(),
            rtmp: rtmp::Limits::default(),
            rtsp: rtsp::Limits::default(),
        }
    }
}

/// `[limits.repeats]`: how often an address may request the same URL before it is refused. More requests mean a
/// redirect loop: an edge that redirects clients back, or whose address leads to the balancer. Clients do not stop on
/// their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Repeats {
    /// Maximum number of requests for one URL, with its query, from one address within `window`. Clients in a loop repeat their request
    /// a hundred times a second on a fast network.
    ///
    /// Range: 1 to 65535, or `"off"`. Default: 1000, which leaves room for many clients behind one address.
    #[serde(deserialize_with = "count_or_off")]
    pub max: Option<u16>,
    /// Length of the window in which requests are counted.
    ///
    /// Range: `"1ms"` to `"24h"`. Default: `"10s"`.
    #[serde(deserialize_with = "values::duration_within::<_, 1, 86_400_000>")]
    pub window: Duration,
}

impl Default for Repeats {
    fn default() -> Self {
        Self { max: Some(1000), window: Duration::from_secs(10) }
    }
}

fn count_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected 1 to 65535, or \"off\"")]
    enum Written {
        Count(NonZeroU16),
        Word(Off),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Off {
        Off,
    }

    Ok(match Written::deserialize(deserializer)? {
        Written::Count(count) => Some(count.get()),
        Written::Word(Off::Off) => None,
    })
}

fn workers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    values::within::<_, 1, 1024>(deserializer).map(Some)
}
