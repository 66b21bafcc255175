//! RTMP: decodes what a client sends, and redirects or relays the client.
//!
//! The specification is "Adobe's Real Time Messaging Protocol", version 1.0, of 21 December 2012. Section numbers in
//! this folder are its own, except in [`amf0`].
//!
//! A connection goes through these modules:
//!
//! 1. [`connection`] owns the socket. It feeds the bytes that arrive to [`dispatch`], which follows one client until it
//!    is redirected, relayed or rejected. Start reading there.
//! 2. [`session`] decodes the bytes: the [`handshake`], then messages, reassembled from chunks by [`chunk`]. A command
//!    message holds [`amf0`] values, in one of two command encodings ([`encoding`]).
//! 3. The first command must be a [`connect`]. It holds the name and the URL ([`tc_url`]) of the requested application,
//!    and identifies the kind of [`client`], which decides the forwarding method.
//! 4. A client that follows a redirect receives the URL of its application on an edge ([`edge_url`]) in the
//!    [`rejection`] of its connect.
//! 5. A client that has to name its stream first is accepted ([`response`]). Its next messages are each a [`command`].
//! 6. A client that is relayed leaves a [`transcript`]: the bytes that it has sent, and the transactions that the
//!    balancer has answered. [`rewrite`] changes the application in it if the configuration says so.
//! 7. [`edge_session`] connects to the edge as this client. It replays the transcript, and [`response_filter`] hides
//!    the edge's responses to transactions that the client already has a response to. From then on, bytes are relayed.
//!
//! An unauthenticated client may send anything. Every reader here takes fragments of any size, never recurses, never
//! reserves memory for bytes that have not arrived, and stops at one of the [`limits`]. Except for [`connection`],
//! nothing here reads a clock or a socket. The output is a function of the input, except for the random filler of the
//! handshake.

pub mod amf0;
pub mod chunk;
pub mod client;
pub mod command;
pub mod connect;
mod connection;
mod dispatch;
pub mod edge_session;
mod edge_url;
pub mod encoding;
pub mod handshake;
pub mod limits;
pub mod rejection;
pub mod response;
pub mod response_filter;
mod rewrite;
pub mod session;
pub mod tc_url;
pub mod transcript;

pub use command::Command;
pub use connect::Connect;
pub(super) use connection::serve;
pub use limits::Limits;
pub use rejection::{Redirect, write_rejection};
pub use session::Session;
pub use tc_url::TcUrl;
