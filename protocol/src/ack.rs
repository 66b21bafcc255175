//! The contents of an ack: which report is acknowledged, by which balancer, and at most one command.

use std::time::Duration;

use crate::key::SALT_LENGTH;
use crate::name::Name;

/// A balancer's answer to one accepted report.
///
/// [`Receiver::acknowledge`](crate::Receiver::acknowledge) seals one; [`Sender::open_ack`](crate::Sender::open_ack)
/// opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack<'a> {
    /// The counter of the acknowledged report.
    pub counter: u64,
    /// The boot salt of the acknowledged report, which makes the ack worthless after a restart of the agent.
    pub salt: [u8; SALT_LENGTH],
    /// The balancer's name, for display.
    pub balancer: Option<Name<'a>>,
    /// The pending command for the edge.
    pub command: Option<Command>,
}

impl Ack<'_> {
    /// An ack without a name or a command.
    #[must_use]
    pub fn new(counter: u64, salt: [u8; SALT_LENGTH]) -> Self {
        Self { counter, salt, balancer: None, command: None }
    }
}

/// A command from an operator to an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// Identifies the command: random, not 0. The edge confirms the command by reporting this id
    /// ([`Report::last_command`](crate::Report::last_command)).
    pub id: u64,
    /// The action to take.
    pub action: Action,
}

impl Command {
    /// A command with this id, which must not be 0.
    #[must_use]
    pub const fn new(id: u64, action: Action) -> Self {
        Self { id, action }
    }
}

/// The action that a command asks an edge to take.
///
/// Exhaustive on purpose: an agent has to implement every action, so a new one is a breaking change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take no new clients.
    Pause,
    /// Take new clients again, unless another reason not to remains.
    Unpause,
    /// Take no new clients, and be empty by the deadline, if there is one.
    Drain {
        /// Time until the deadline, from now; whole milliseconds.
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
