//! The state of an edge.

use weir_protocol::report::Status;

/// The state of an edge: reported, or timed out. Only a running edge gets clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// The edge accepts clients.
    Running = 0,
    /// The edge reports that it accepts no clients.
    Paused = 1,
    /// The edge reports that it accepts no clients and waits for its sessions to end.
    Draining = 2,
    /// The edge has reported that it is shutting down.
    Stopping = 3,
    /// The edge has been silent for longer than the timeout.
    TimedOut = 4,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Running, Self::Paused, Self::Draining, Self::Stopping, Self::TimedOut];

    /// Returns a stable name for metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Draining => "draining",
            Self::Stopping => "stopping",
            Self::TimedOut => "timed-out",
        }
    }

    pub(super) fn from_u8(value: u8) -> Self {
        // Only `State as u8` is ever stored. An edge with any other value would get no clients.
        Self::ALL.get(usize::from(value)).copied().unwrap_or(Self::TimedOut)
    }
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Paused => Self::Paused,
            Status::Draining => Self::Draining,
            Status::Stopping => Self::Stopping,
        }
    }
}
