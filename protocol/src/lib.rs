//! What Weir's edge agents and balancers say to each other: one sealed UDP datagram per report.
//!
//! Everything here is pure: bytes, time and random numbers are arguments, and there is no socket, clock or task. The
//! same code is driven by the agent, the balancer, the tests and the simulator.
//!
//! | module        | what it holds                                                               |
//! |---------------|-----------------------------------------------------------------------------|
//! | [`report`]    | what a report says: state, load, capacity, addresses                        |
//! | [`ack`]       | what a balancer answers                                                     |
//! | [`codec`]     | both as CBOR, and back                                                      |
//! | [`stream`]    | which stream a path names, as the hash that both ends know it by            |
//! | [`host`]      | host names and addresses that are safe to hand to a client                  |
//! | [`edge_id`]   | the GUID that names an edge                                                 |
//! | [`key`]       | the cluster's secrets, an edge's own key, and how they are written down     |
//! | [`datagram`]  | the header, and the sealing and opening of one datagram                     |
//! | [`sender`]    | the agent's end: seals reports, opens acks                                  |
//! | [`receiver`]  | the balancer's end: which datagram is believed, and why another is rejected |
//! | [`rejection`] | every reason for that                                                       |
//! | [`session`]   | what a balancer remembers of one edge                                       |
//! | [`rate`]      | how often a stranger may make the balancer derive keys                      |
#![forbid(unsafe_code)]

pub mod ack;
pub mod codec;
pub mod datagram;
pub mod edge_id;
pub mod host;
pub mod key;
pub mod rate;
pub mod receiver;
pub mod rejection;
pub mod report;
pub mod sender;
mod session;
pub mod stream;

pub use ack::{Ack, Action, Command};
pub use edge_id::EdgeId;
pub use host::Host;
pub use key::{EdgeKey, KeyRing, Secret};
pub use receiver::{Arrival, Receiver};
pub use rejection::Rejection;
pub use report::Report;
pub use sender::Sender;
