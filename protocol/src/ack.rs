//! What a balancer answers: that a report was believed, and perhaps a command.

use std::time::Duration;

use crate::key::SALT_LENGTH;

/// One ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The counter of the report that is answered.
    pub counter: u64,
    /// The boot salt of that report: an ack is worth nothing to the next start of the agent.
    pub salt: [u8; SALT_LENGTH],
    /// The balancer's name, for people.
    pub balancer: Option<&'a str>,
    /// What an operator wants of the edge.
    pub command: Option<Command>,
}

/// What an operator wants of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Tells one command from another; random, not 0. The edge says it in its reports once it has obeyed.
    pub id: u64,
    /// What to do.
    pub action: Action,
}

/// What an edge is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take no new clients.
    Pause,
    /// Take clients again, as far as the operator is concerned.
    Unpause,
    /// Take no new clients, and be empty by the deadline if there is one.
    Drain {
        /// From now.
        deadline: Option<Duration>,
    },
}

impl Action {
    /// Returns the name of the command, as in the API, on the command line and in logs: `pause`, `unpause` or `drain`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Drain { .. } => "drain",
        }
    }
}
