//! RTSP in a pair of HTTP connections, for clients whom a firewall lets do nothing else: Apple's QuickTime began it, and
//! ffmpeg, GStreamer and others speak it.
//!
//! The client sends two requests with the same `x-sessioncookie`. What it is told comes as the body of the answer to a
//! `GET`, which never ends; what it says goes in base64 as the body of a `POST`, which is never answered. Either may
//! come first, and to another worker thread. In between is an RTSP connection like any other.
//!
//! | module     | what it holds                                |
//! |------------|----------------------------------------------|
//! | [`half`]   | which HTTP requests are half of a tunnel     |
//! | [`meet`]   | halves that wait for the other               |
//! | [`base64`] | what the client says, decoded as it comes    |
//! | [`joined`] | both halves as one connection                |
//! | [`mod@serve`] | one half, with its socket                 |

pub mod base64;
mod half;
mod joined;
mod meet;
mod serve;

pub use base64::Decoder;
pub(crate) use half::is_tunnelled;
pub(crate) use joined::Joined;
pub use meet::Tunnels;
pub(crate) use serve::serve;
