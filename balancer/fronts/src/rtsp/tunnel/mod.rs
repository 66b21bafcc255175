//! RTSP over HTTP, for clients behind a firewall that permits nothing else. Apple's QuickTime introduced it; ffmpeg,
//! GStreamer and others support it.
//!
//! The client opens two HTTP connections with the same `x-sessioncookie`. The GET channel carries the server's bytes,
//! as the body of a response that never ends. The POST channel carries the client's bytes in base64, as the body of a
//! request that is never answered. Either may come first, and each may reach another worker thread. Together they are
//! an RTSP connection like any other.
//!
//! 1. [`connection`] serves one channel.
//! 2. [`channel`] recognises the HTTP request that opens a channel.
//! 3. [`pairing`] pairs it with the other channel of its tunnel, or lets it wait.
//! 4. [`stream`] makes one stream of both channels, above their sockets ([`socket`]). [`base64`] decodes the client's
//!    bytes.

pub mod base64;
mod channel;
mod connection;
mod pairing;
mod socket;
mod stream;

pub use base64::Decoder;
pub(crate) use channel::is_tunnelled;
pub(crate) use connection::serve;
pub use pairing::Tunnels;
pub(crate) use stream::TunnelStream;
