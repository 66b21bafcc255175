//! The core of the RTSP front: bytes in, answers out; no socket, no clock.
//!
//! A redirect is all that players need here (RFC 2326 section 11.2): `OPTIONS` is answered,
//! `DESCRIBE` gets `302 Moved Temporarily` with the URL at an edge, and the connection is closed.
//! The facts about clients that shape the answers stand beside the code that follows them.
//!
//! * [`session`]: one connection, the place to start reading
//! * `answer`: which answer a proper request gets
//! * [`refusal`]: why a connection ends without an edge
//! * [`request`]: the head of a request, parsed in place
//! * [`method`]: what a client may ask for
//! * [`target`]: the URL in a request line
//! * [`location`]: the URL in a redirect, safe to put into a header
//! * [`respond`]: every answer, byte for byte
//! * [`limits`]: how much a client may send

mod answer;
pub mod limits;
pub mod location;
pub mod method;
pub mod refusal;
pub mod request;
pub mod respond;
mod serve;
pub mod session;
pub mod target;

pub use limits::Limits;
pub use location::{Location, LocationError};
pub use method::Method;
pub use refusal::Refusal;
pub use request::{Request, RequestError};
pub use respond::Status;
pub(super) use serve::serve;
pub use session::{Describe, Session, Step};
pub use target::{Scheme, Target, TargetError, Url};

#[cfg(test)]
mod tests;
