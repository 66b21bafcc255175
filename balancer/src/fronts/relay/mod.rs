//! Relaying: clients that follow no redirect have their bytes carried to their edge and back.
//!
//! A front that has to relay a client says where to with [`Wanted`], gets an [`Upstream`] from [`connect`], and gives both
//! ends to [`carry`].
//!
//! | module      | what it holds                                            |
//! |-------------|----------------------------------------------------------|
//! | [`connect`] | which edge, and another one when it cannot be reached    |
//! | [`reach`]   | a connection to one edge                                 |
//! | [`edge_tls`] | whom edges are believed to be that are reached over TLS |
//! | [`carry`]   | both ways until both have ended                          |
//! | [`serve`]   | a listener whose every connection is relayed             |

mod carry;
mod chunk;
mod connect;
mod direction;
pub mod edge_tls;
mod pipe;
mod reach;
mod serve;
mod splice;
mod supplies;

pub(super) use carry::carry;
pub(super) use connect::{Towards, Upstream, Wanted, connect, connect_and, connect_to};
pub(super) use serve::serve;
pub(super) use supplies::Supplies;
