//! Relaying over loopback sockets.
//!
//! | module         | tests                                                    |
//! |----------------|----------------------------------------------------------|
//! | [`fixtures`]   | none: clients, edges, and a front between them           |
//! | [`connecting`] | which edge a client is connected to, and how             |
//! | [`forwarding`] | what is forwarded, until when, and at what cost          |

mod connecting;
mod fixtures;
mod forwarding;

pub(crate) use fixtures::{edge, end_drain, front_with, pair};
