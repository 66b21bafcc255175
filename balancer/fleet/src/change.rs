//! Changes of an edge, for the log.

use std::net::IpAddr;

use crate::state::State;

/// A change of an edge, caused by a report or by the passage of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The edge has reported for the first time.
    Joined,
    /// The edge names a host outside the [redirect limits](crate::RedirectLimits), and gets no clients.
    Disallowed,
    /// A second sender, at this address, reports under the GUID of the edge.
    Duplicate(IpAddr),
    /// The edge has entered this state.
    State(State),
    /// The edge has been silent for [`Lifetimes::forget_after`](crate::Lifetimes::forget_after) and is no longer
    /// listed.
    Forgotten,
}
