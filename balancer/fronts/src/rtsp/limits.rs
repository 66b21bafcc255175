//! `[limits.rtsp]`: how much an RTSP client may send before it is redirected or relayed.

use serde::Deserialize;
use weir_program::config::values;

/// `[limits.rtsp]`: bounds on what one connection may send before its client is redirected or relayed.
///
/// A client that exceeds one of them is rejected and counted in `weir_clients_rejected_total` with the reason given
/// below. Input beyond a limit is never buffered. Media and messages of a relayed session are not limited.
///
/// A session buffers at most [`Limits::head`] bytes, and while it is relayed, until the transport is set up, twice as
/// many. `decision_timeout` limits the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Maximum length of a line in the head of a request, in bytes without the line end: 128 to 65536. Default: 8192.
    ///
    /// A request line that is longer is answered with 414 (reason `request-line-too-long`), a header line with 400
    /// (`header-line-too-long`). The limit bounds the URL, and so the `Location` of the response. Signed URLs take 1 or
    /// 2 KiB.
    #[serde(deserialize_with = "values::within::<_, 128, 65536>")]
    pub line: usize,

    /// Maximum length of the head of a request, in bytes: request line, header lines and the empty line, 512 to
    /// 1048576. Default: 16384.
    ///
    /// A longer head is answered with 400 (reason `head-too-large`). This is also the amount of memory that a client
    /// can occupy. Clients send 100 to 600 bytes; allow at least one line of the maximum length.
    #[serde(deserialize_with = "values::within::<_, 512, 1048576>")]
    pub head: usize,

    /// Maximum number of header lines in a request: 1 to 1000. Default: 64.
    ///
    /// A request with more is answered with 400 (reason `too-many-headers`). Clients send 2 to 12.
    #[serde(deserialize_with = "values::within::<_, 1, 1000>")]
    pub headers: usize,

    /// Maximum length of the body of a request, in bytes: 0 to 16777216. Default: 65536.
    ///
    /// A request with a longer one is answered with 413 (reason `body-too-large`). Bodies are skipped, not buffered. An
    /// SDP takes 1 to 10 KiB.
    #[serde(deserialize_with = "values::within::<_, 0, 16777216>")]
    pub body: usize,

    /// Maximum number of interleaved frames (RFC 2326 section 10.12) of a connection, each of up to 64 KiB: 0 to
    /// 1000000. Default: 16.
    ///
    /// A client that sends more is rejected with 400 (reason `too-many-frames`). Nothing is set up at this stage, so a
    /// client has no reason to send frames. The default skips a few RTCP packets for an earlier session with an edge,
    /// but not a media stream.
    #[serde(deserialize_with = "values::within::<_, 0, 1000000>")]
    pub frames: usize,

    /// Maximum number of requests of a connection: 1 to 1000000. Default: 64.
    ///
    /// A client that sends more is rejected with 400 (reason `too-many-requests`). Players send two. Raise it for
    /// monitoring that repeats `OPTIONS` on one connection.
    #[serde(deserialize_with = "values::within::<_, 1, 1000000>")]
    pub requests: usize,

    /// Maximum number of channels of HTTP tunnels that wait for the other channel: 0, which disables tunnels, to
    /// 1000000. Default: 1000.
    ///
    /// A further channel is answered with 503 (reason `tunnel-full`). A waiting channel occupies a connection for up to
    /// `decision_timeout`.
    #[serde(deserialize_with = "values::within::<_, 0, 1000000>")]
    pub tunnels: usize,

    /// Maximum number of waiting channels, among `tunnels`, from one address: 0 to 1000000. Default: 100.
    ///
    /// A further channel is answered with 503 (reason `tunnel-full`). The limit keeps one client from occupying all of
    /// `tunnels`. Clients open the other channel within a round trip or two, so the default suffices for a hundred
    /// clients behind one address that start at the same moment.
    #[serde(deserialize_with = "values::within::<_, 0, 1000000>")]
    pub tunnels_per_address: usize,

    /// Maximum length of the `x-sessioncookie` of an HTTP tunnel, in bytes: 1 to 1024. Default: 128.
    ///
    /// A channel with a longer one is answered with 400 (reason `tunnel-cookie`). Clients send 16 to 32 bytes.
    #[serde(deserialize_with = "values::within::<_, 1, 1024>")]
    pub cookie: usize,
}

impl Limits {
    /// The limits without a configuration.
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
