//! Relaying over loopback sockets.
//!
//! | module      | what it shows                                    |
//! |-------------|--------------------------------------------------|
//! | [`stage`]   | clients, edges, and a front between them         |
//! | [`reached`] | which edge a client is brought to, and how       |
//! | [`carried`] | what goes to and fro, until when, and at what cost |

mod carried;
mod reached;
mod stage;

pub(crate) use stage::{edge, end_drain, front_with, pair};
