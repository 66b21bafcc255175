//! RTMP: bytes in, the bytes of the answer out, and where the client goes.
//!
//! Whoever connects may send anything, so every reader here takes fragments of any size, never recurses, never
//! reserves memory for bytes that have not arrived, and stops at a [`Limits`]. But for [`mod@serve`], nothing here reads a
//! clock or a socket; the one thing that is not a function of the input is the random filling of the handshake.
//!
//! | module        | what it holds                                                                  |
//! |---------------|--------------------------------------------------------------------------------|
//! | [`mod@serve`]     | one connection, and the relay of those that are not redirected                 |
//! | [`caller`]    | one client until it is redirected or relayed. Start reading there              |
//! | [`session`]   | what a client says: handshake, connect, and commands                           |
//! | [`handshake`] | the three packets that open a connection, simple and digest                    |
//! | [`chunk`]     | messages out of chunks, and into chunks                                        |
//! | [`amf0`]      | the values that command messages are made of                                   |
//! | [`connect`]   | what a client says of itself and of the place it wants                         |
//! | [`tc_url`]    | the URL in a `connect`, taken apart                                            |
//! | [`command`]   | what it says once its connect is accepted                                      |
//! | [`client`]    | which clients follow a redirect, and so the way each goes                      |
//! | [`reject`]    | the answer that names another server, or says no                               |
//! | [`respond`]   | the answers to a client that is accepted                                       |
//! | [`url`]       | what clients are told: the URL of their application or stream on an edge       |
//! | [`opening`]   | the first words with an edge, for a client that is relayed                     |
//! | [`answered`]  | keeping that client from answers that it has had                               |
//! | [`rename`]    | another application in a connect that is passed on                             |
//! | [`limits`]    | how much a client may send before it has said anything of use                  |

pub mod amf0;
pub mod answered;
mod caller;
pub mod chunk;
pub mod client;
pub mod command;
pub mod connect;
pub mod handshake;
pub mod limits;
pub mod opening;
pub mod reject;
mod rename;
pub mod respond;
mod serve;
pub mod session;
pub mod tc_url;
mod url;

pub use command::Command;
pub use connect::Connect;
pub use limits::Limits;
pub use reject::{Redirect, write_rejection};
pub(super) use serve::serve;
pub use session::Session;
pub use tc_url::TcUrl;
