//! RTSP: answers what a client sends, and redirects or relays the client (RFC 2326).
//!
//! Players need no more than a redirect (RFC 2326 section 11.2): `OPTIONS` is answered, `DESCRIBE` is answered with
//! `302 Moved Temporarily` and the URL on an edge, and the connection is closed. Publishers follow no redirect and are
//! relayed. So is a client that requests the URL of its redirect on the same connection. Facts about real clients that
//! explain a response are next to the code that writes it.
//!
//! A connection goes through these modules:
//!
//! 1. [`connection`] owns the socket. It feeds the bytes that arrive to [`dispatch`], which follows one client until it
//!    is redirected, relayed or rejected. Start reading there.
//! 2. [`session`] splits the bytes into requests: [`head`] finds the end of each, [`request`] parses it, with its
//!    [`method`], its [`header`] lines and its URL, the [`target`]. [`request_error`] lists the errors.
//! 3. [`outcome`] decides how a request is answered. [`response`] writes each response, with its [`status`].
//!    [`rejection`] lists the reasons for ending a connection without an edge.
//! 4. A player receives the [`location`] of its stream on an edge. [`connection_reuse`] identifies the players that may
//!    request it on the same connection.
//! 5. [`relay`] connects any other client to an edge. [`setup_filter`] passes their messages, and makes sure that the
//!    `SETUP` selects a [`transport`] over TCP. From then on, bytes are relayed.
//!
//! A client behind a firewall may use a [`tunnel`] of two HTTP connections instead, in which the same steps follow.
//!
//! [`limits`] bounds every step. Except for [`connection`], [`relay`] and [`tunnel`], nothing here reads a socket or a
//! clock.

mod connection;
mod connection_reuse;
mod dispatch;
pub mod head;
mod header;
pub mod limits;
pub mod location;
pub mod method;
mod outcome;
pub mod rejection;
mod relay;
pub mod request;
pub mod request_error;
pub mod response;
pub mod session;
pub mod setup_filter;
pub mod status;
pub mod target;
mod transport;
pub mod tunnel;

pub(super) use connection::serve;
pub use limits::Limits;
pub use location::{Location, LocationError};
pub use method::Method;
pub use rejection::Rejection;
pub use request::Request;
pub use request_error::RequestError;
pub use session::{Session, Step, StreamRequest};
pub use setup_filter::SetupFilter;
pub use status::Status;
pub use target::{Target, TargetError, Url};

#[cfg(test)]
mod tests;
