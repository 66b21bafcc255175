//! `[limits.rtmp]`: how much an RTMP client may send before it is redirected or relayed.

use serde::Deserialize;
use weir_program::config::values;

/// `[limits.rtmp]`: bounds on the memory and the reading that a client can cause before it is redirected or relayed.
///
/// A client that exceeds one of them is rejected and counted in `weir_clients_rejected_total` with the reason given
/// below. The bytes of a relayed session are not limited.
///
/// A session buffers at most `message_length × chunk_streams` bytes of incomplete messages, and never more than twice
/// the bytes that it has received. Those are limited by `bytes_before_connect` and `bytes_before_play`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Maximum length of a message, in bytes: 1 to 16777215, the largest length that the 24 bits of a chunk header can
    /// announce. Default: 65536.
    ///
    /// A longer message is rejected at its header, before any of it is buffered (reason `message-too-long`). Clients
    /// send a connect of 150 to 300 bytes, or a few kilobytes if a signed URL is part of it. There is no reason to
    /// raise this limit unless clients are rejected for it.
    #[serde(deserialize_with = "values::within::<_, 1, 16_777_215>")]
    pub message_length: usize,

    /// Maximum number of chunk streams that a client may use: 1 to 1000. Default: 8.
    ///
    /// A client that opens another one is rejected (reason `too-many-chunk-streams`). Clients use two before their
    /// connect is answered: 2 for protocol control and 3 for commands. The chunk streams are searched one by one for
    /// each chunk, so keep the number small.
    #[serde(deserialize_with = "values::within::<_, 1, 1000>")]
    pub chunk_streams: usize,

    /// Maximum number of bytes between the end of the handshake and the end of the connect: 1 to 33554432.
    /// Default: 131072.
    ///
    /// It ends a client that sends messages within the other limits but no connect (reason `too-many-bytes`). Allow at
    /// least the length of a connect and its chunk headers, which count too. With chunks of one byte, the smallest
    /// size, they double the length of a message, so keep it at twice `message_length`, as in the default.
    #[serde(deserialize_with = "values::within::<_, 1, 33_554_432>")]
    pub bytes_before_connect: usize,

    /// Maximum number of bytes between an accepted connect and the command that names the stream, or requests the host
    /// of an edge: 1 to 33554432. Default: 131072, for the same reason as `bytes_before_connect`.
    ///
    /// It also limits the bytes that an edge may send before it has answered the transactions that the balancer has
    /// answered in its place (reason `edge-too-many-bytes`; `too-many-bytes` for a client). Clients send some 300
    /// bytes, and a few kilobytes more if the name of the stream holds a token. They are buffered until they are sent
    /// to the edge.
    #[serde(deserialize_with = "values::within::<_, 1, 33_554_432>")]
    pub bytes_before_play: usize,

    /// Maximum number of commands within `bytes_before_play`: 1 to 1000. Default: 32.
    ///
    /// A client that sends another one is rejected (reason `too-many-commands`). Clients send one to five commands.
    /// Each is answered, and each `getLoadBalancerRedirect` counts as an assignment, so a low limit also bounds how
    /// far one connection can distort the assignments.
    #[serde(deserialize_with = "values::within::<_, 1, 1000>")]
    pub commands_before_play: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_length: 64 * 1024,
            chunk_streams: 8,
            bytes_before_connect: 128 * 1024,
            bytes_before_play: 128 * 1024,
            commands_before_play: 32,
        }
    }
}
