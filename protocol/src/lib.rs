//! The report protocol of Weir, a load balancer for streaming media.
//!
//! An *agent* on each streaming server, the *edge*, reports its state and load to every *balancer* in a single UDP
//! datagram every 2.5 s. A balancer answers each report that it accepts with an *ack*, which may contain a command from
//! an operator: pause, unpause or drain. Both are encrypted and signed, and cannot be replayed.
//!
//! This crate is for agents of other media servers, and for balancers that receive the reports of Weir's agents. It is
//! pure: bytes, time and random numbers are arguments, and there is no socket, clock or task. The [`specification`] is
//! for implementations in other languages.
//!
//! # The life of a datagram
//!
//! An agent derives its keys from the cluster's [`Secret`] and its own GUID, or holds only the derived [`EdgeKey`],
//! with which it cannot impersonate another edge. A [`Sender`] turns a [`Report`] into a datagram:
//!
//! 1. [`codec`] encodes the report as CBOR, and pads a short one so that every ack fits.
//! 2. [`datagram`] encrypts the body with AES-256-GCM and signs header and body with HMAC-SHA-256. The keys are derived
//!    from the edge's key and a boot salt, which is random and new at each start; the nonce is a counter.
//!
//! A [`Receiver`] opens it. Its checks come in order of their cost, and each failure is a [`Rejection`] with a name for
//! a metric:
//!
//! 1. [`datagram`] checks length, magic, version and kind, and the [`KeyRing`] looks up the secret by its id.
//! 2. For an unknown salt the keys have to be derived, at a limited [`rate`](receiver::SaltLimits).
//! 3. The signature is verified in constant time, and the counter must have increased. Then the body is decrypted and
//!    decoded.
//! 4. A new edge is accepted at its second report; a restarted agent replaces its predecessor; a cloned GUID is
//!    detected.
//!
//! The [`Accepted`](receiver::Accepted) report borrows from the datagram. Nothing is allocated for a known edge. The
//! receiver then seals an [`Ack`], which is never longer than the report, and the sender opens it:
//!
//! ```
//! use std::time::Duration;
//!
//! use weir_protocol::receiver::Limits;
//! use weir_protocol::{
//!     Action, Arrival, Command, EdgeId, Host, Name, Receiver, Rejection, Report, Secret, Sender, datagram,
//! };
//!
//! // In production, secret, GUID and salts come from a cryptographic random source.
//! let secret = Secret::from_random([1; 32]);
//! let edge = EdgeId::from_random([2; 16]);
//!
//! // The agent: one sender for each balancer.
//! let mut sender = Sender::new(secret.edge_key(edge), edge, [3; 16]);
//! let now = 1_790_000_000_000; // Milliseconds since the Unix epoch.
//! let mut report = Report::new(now, now, Duration::from_millis(2500));
//! report.redirect = Some(Host::new("edge1.example.com")?);
//! report.load.connections = Some(1200);
//! let mut first = sender.seal(&report)?.to_vec(); // To be sent to the balancer.
//!
//! // The balancer: the first report announces a new edge, the second confirms it.
//! let mut receiver = Receiver::new([secret].into_iter().collect(), Limits::default(), [4; 16]);
//! let arrival = Arrival { source: "192.0.2.7:40000".parse()?, monotonic: Duration::ZERO, unix: now };
//! assert_eq!(receiver.open(&mut first, &arrival).unwrap_err(), Rejection::Unconfirmed);
//! let mut second = sender.seal(&report)?.to_vec();
//! let length = second.len();
//! let accepted = receiver.open(&mut second, &arrival)?;
//! assert_eq!(accepted.report.load.connections, Some(1200));
//!
//! // Its ack, to be sent to the source of the report, with an operator's command.
//! let name = Name::from_static("balancer-1");
//! let command = Command::new(7, Action::Drain { deadline: Some(Duration::from_secs(600)) });
//! let mut output = [0; datagram::MAX_LENGTH];
//! let sealed = receiver.acknowledge(edge, Some(name), Some(command), length, &mut output);
//! let mut sealed = sealed.expect("padding leaves space for every ack").to_vec();
//! assert!(sealed.len() <= length);
//!
//! // The agent executes the command, and confirms it with its next report.
//! let ack = sender.open_ack(&mut sealed)?;
//! assert_eq!((ack.counter, ack.balancer, ack.command), (2, Some(name), Some(command)));
//! report.last_command = ack.command.map(|command| command.id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The examples `send_report` and `receive_report` are a minimal agent and a minimal balancer with UDP sockets.
//!
//! # Modules
//!
//! | module        | contents                                                                    |
//! |---------------|-----------------------------------------------------------------------------|
//! | [`report`]    | the contents of a report: state, load, capacity, addresses                  |
//! | [`ack`]       | the contents of an ack: which report, which balancer, a command             |
//! | [`codec`]     | both as CBOR                                                                |
//! | [`datagram`]  | the header, and the sealing and opening of a datagram                       |
//! | [`key`]       | the cluster's secrets, the keys of edges, and their textual forms           |
//! | [`sender`]    | the agent's end: seals reports, opens acks                                  |
//! | [`receiver`]  | the balancer's end: opens reports, seals acks                               |
//! | [`rejection`] | the reasons for which a datagram is rejected                                |
//! | [`edge_id`]   | the GUID that identifies an edge                                            |
//! | [`host`]      | host names and addresses that are safe to send to a client                  |
//! | [`name`]      | names of zones, tags, utilisations and balancers                            |
//! | [`stream`]    | hashes of streams, on which both ends agree                                 |
#![forbid(unsafe_code)]

pub mod ack;
mod arrival;
pub mod codec;
pub mod datagram;
pub mod edge_id;
pub mod host;
pub mod key;
pub mod name;
mod rate;
pub mod receiver;
pub mod rejection;
pub mod report;
pub mod sender;
mod session;
pub mod stream;

pub use ack::{Ack, Action, Command};
pub use arrival::Arrival;
pub use edge_id::EdgeId;
pub use host::Host;
pub use key::{EdgeKey, KeyRing, Secret};
pub use name::{Name, NameBuf};
pub use receiver::Receiver;
pub use rejection::Rejection;
pub use report::Report;
pub use sender::Sender;

#[cfg(doc)]
#[doc = include_str!("../SPECIFICATION.md")]
pub mod specification {}

/// The examples of the crate's front page in a registry must work, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
