//! How much a client may send before it is refused.

use serde::Deserialize;
use weir_program::config::values;

/// Limits on what one connection may send. What is beyond is refused, never buffered.
///
/// The memory of a session is at most [`Limits::head`] bytes; the time it may take is the caller's
/// to limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest line of a head in bytes, without its line end.
    ///
    /// Bounds the URL, and with it the `Location` of the answer. Signed URLs take 1 or 2 KiB.
    ///
    /// 128 to 65536. Default: 8192.
    #[serde(deserialize_with = "values::within::<_, 128, 65536>")]
    pub line: usize,
    /// Largest head in bytes: request line, headers and the empty line.
    ///
    /// At least a few hundred; real clients send 100 to 600.
    ///
    /// 512 to 1048576. Default: 16384.
    #[serde(deserialize_with = "values::within::<_, 512, 1048576>")]
    pub head: usize,
    /// Most headers of one request. Real clients send 2 to 12.
    ///
    /// 1 to 1000. Default: 64.
    #[serde(deserialize_with = "values::within::<_, 1, 1000>")]
    pub headers: usize,
    /// Largest body in bytes. Bodies are skipped, not kept; an SDP is 1 to 10 KiB.
    ///
    /// 0 to 16777216. Default: 65536.
    #[serde(deserialize_with = "values::within::<_, 0, 16777216>")]
    pub body: usize,
    /// Most interleaved frames (RFC 2326 section 10.12) of one connection, each of at most 64 KiB.
    ///
    /// Nothing is set up here, so a client has no reason to send any: RTCP that a client sends to
    /// an edge of before is skipped, a stream is not.
    ///
    /// 0 to 1000000. Default: 16.
    #[serde(deserialize_with = "values::within::<_, 0, 1000000>")]
    pub frames: usize,
    /// Most requests of one connection. Real clients send two; monitors repeat `OPTIONS`.
    ///
    /// 1 to 1000000. Default: 64.
    #[serde(deserialize_with = "values::within::<_, 1, 1000000>")]
    pub requests: usize,
    /// Most halves of HTTP tunnels that wait for the other half at a time. One more is refused; each takes the place of
    /// a connection, and waits for `decision_timeout` at most.
    ///
    /// 0, which refuses all tunnels, to 1000000. Default: 1000.
    #[serde(deserialize_with = "values::within::<_, 0, 1000000>")]
    pub tunnels: usize,
    /// Of these, most from one address, so that no one client can take them all. Real clients send the other half within
    /// a round trip or two: the default leaves room for a hundred who start in one moment behind one address.
    ///
    /// 0 to 1000000. Default: 100.
    #[serde(deserialize_with = "values::within::<_, 0, 1000000>")]
    pub tunnels_per_address: usize,
    /// Longest cookie of an HTTP tunnel in bytes. Real clients send 16 to 32.
    ///
    /// 1 to 1024. Default: 128.
    #[serde(deserialize_with = "values::within::<_, 1, 1024>")]
    pub cookie: usize,
}

impl Limits {
    /// What holds when nothing is configured.
    pub const DEFAULT: Self = Self {
        line: 8 * 1024,
        head: 16 * 1024,
        headers: 64,
        body: 64 * 1024,
        frames: 16,
        requests: 64,
        tunnels: 1000,
        tunnels_per_address: 100,
        cookie: 128,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
