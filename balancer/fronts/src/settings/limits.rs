//! `[limits]`: what one client may cost.

use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use weir_program::config::values;

use crate::{http, rtmp, rtsp};

/// What one client may cost.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Threads that serve clients, 1 to 1024. Default: one per core.
    #[serde(deserialize_with = "workers")]
    pub workers: Option<usize>,
    /// Client connections at a time, 1 to 1000000; one more is closed at once. Each takes a file descriptor and some
    /// 20 KiB. Default: 20000.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub connections: usize,
    /// Of these, most from one address, 1 to 1000000: no one client can take them all. Of IPv6 the first 64 bits are one
    /// address, since every host has all that begin with these. A client behind a proxy counts for the address that the
    /// PROXY protocol names. The default leaves room for a crowd behind one address, such as a carrier's network or a
    /// proxy that names nobody; what is answered at once is not counted. Default: 5000.
    #[serde(deserialize_with = "values::within::<_, 1, 1_000_000>")]
    pub connections_per_address: usize,
    /// How long a client may take to say what it wants, and to take each 64 KiB of an answer, and how long an HTTP
    /// connection may be idle between requests: 10 milliseconds to 1 hour. Real clients need a round trip or two; the
    /// default leaves room for retransmissions on bad links. Default: `"10s"`.
    #[serde(deserialize_with = "values::duration_within::<_, 10, 3_600_000>")]
    pub decision_timeout: Duration,
    /// How long to wait for a client to close after the last answer, so that a reset does not overtake the answer: 0 to 1
    /// hour. Real clients close within a round trip. Default: `"2s"`.
    #[serde(deserialize_with = "values::duration_within::<_, 0, 3_600_000>")]
    pub linger: Duration,
    /// How many bytes that a client sends meanwhile are thrown away before it is cut off, 0 to 1073741824. Default:
    /// 2097152, so that a client that sends a megabyte where a line was expected still reads why that was refused.
    #[serde(deserialize_with = "values::within::<_, 0, 1_073_741_824>")]
    pub linger_bytes: usize,
    /// `[limits.repeats]`: how often one client may ask for the same.
    pub repeats: Repeats,
    /// `[limits.http]`: what an HTTP client may send.
    pub http: http::Limits,
    /// `[limits.rtmp]`: what an RTMP client may send before it is answered.
    pub rtmp: rtmp::Limits,
    /// `[limits.rtsp]`: what an RTSP client may send.
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

/// How often one address may ask to be sent to the same URL. One that asks more often is redirected in a circle, by an
/// edge that sends its clients back or whose name leads here; no client stops by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Repeats {
    /// So often, 1 to 65535, or `"off"`. Clients in a circle come back a hundred times a second where the network is fast;
    /// the default leaves room for a crowd behind one address. Default: 1000.
    #[serde(deserialize_with = "count_or_off")]
    pub max: Option<u16>,
    /// … within this time, 1 millisecond to 1 day. Default: `"10s"`.
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
