//! The core of the RTSP front: bytes in, answers out; no socket, no clock.
//!
//! Players need no more than a redirect (RFC 2326 section 11.2): `OPTIONS` is answered, `DESCRIBE`
//! gets `302 Moved Temporarily` with the URL at an edge, and the connection is closed. Publishers, who
//! follow no redirect, are relayed, and so is who asks for the edge on this very connection. The facts
//! about clients that shape the answers stand beside the code that follows them.
//!
//! * [`session`]: one connection, the place to start reading
//! * `answer`: which answer a proper request gets
//! * [`refusal`]: why a connection ends without an edge
//! * [`request`]: the head of a request, parsed in place
//! * [`method`]: what a client may ask for
//! * [`target`]: the URL in a request line
//! * [`location`]: the URL in a redirect, safe to put into a header
//! * [`respond`]: every answer, byte for byte
//! * `returning`: who comes back on the connection on which an edge was named
//! * [`gate`]: what passes between a relayed client and its edge until media are set up
//! * `transport`: how a client wants its media
//! * [`limits`]: how much a client may send
//! * `caller`: who is redirected, relayed, or refused
//! * `relay`: a client that is relayed, with its edge
//! * `serve`: one connection, with its socket
//! * [`tunnel`]: RTSP in a pair of HTTP connections

mod answer;
mod caller;
pub mod gate;
pub mod limits;
pub mod location;
pub mod method;
pub mod refusal;
mod relay;
pub mod request;
pub mod respond;
mod returning;
mod serve;
pub mod session;
pub mod target;
mod transport;
pub mod tunnel;

pub use gate::Gate;
pub use limits::Limits;
pub use location::{Location, LocationError};
pub use method::Method;
pub use refusal::Refusal;
pub use request::{Request, RequestError};
pub use respond::Status;
pub(super) use serve::serve;
pub use session::{Opening, Session, Step};
pub use target::{Scheme, Target, TargetError, Url};

#[cfg(test)]
mod tests;
