//! How much a client may send before it has said anything of use.

use serde::Deserialize;
use weir_program::config::values;

/// Bounds on what a client that has not yet been decided upon may make us hold or read.
///
/// A session holds at most `message_length × chunk_streams` bytes of unfinished messages, and never more than
/// twice what it has received, which `bytes_before_connect` and `bytes_before_play` bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest message, in bytes: 1 to 16,777,215, what 24 bits can announce. Default 65,536.
    ///
    /// Real connects take 150 to 300 bytes, and a few kilobytes when a signed URL is in them. A message that
    /// announces more is refused at its header, before any of it is held.
    #[serde(deserialize_with = "values::within::<_, 1, 16_777_215>")]
    pub message_length: usize,

    /// Chunk streams that may be in use at once: 1 to 1,000. Default 8.
    ///
    /// Clients use two before `connect` is answered: 2 for protocol control, 3 for commands. Each further one
    /// costs a scan of a short list for every chunk.
    #[serde(deserialize_with = "values::within::<_, 1, 1000>")]
    pub chunk_streams: usize,

    /// Bytes after the handshake within which `connect` must be complete: 1 to
    /// 33,554,432, at least the length of a connect and its chunk headers. Default 131,072.
    ///
    /// It ends a client that sends allowed messages for ever. Chunk headers count; at the smallest chunk size,
    /// one byte, they double the length of a message, which is why the default is twice `message_length`.
    #[serde(deserialize_with = "values::within::<_, 1, 33_554_432>")]
    pub bytes_before_connect: usize,

    /// Bytes after an accepted connect within which the client must name its stream, or be told its edge's host: 1 to
    /// 33,554,432. Default 131,072, for the same reason. Its edge may send as many before it has answered what the
    /// balancer has answered already.
    ///
    /// Real clients take some 300 bytes, and a token in the stream's name a few kilobytes more. They are held until the
    /// edge has them.
    #[serde(deserialize_with = "values::within::<_, 1, 33_554_432>")]
    pub bytes_before_play: usize,

    /// Commands that a client may send in those bytes: 1 to 1,000. Default 32.
    ///
    /// Real clients send one to five. Each is answered, and each `getLoadBalancerRedirect` among them is a hand-out.
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
