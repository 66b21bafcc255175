//! Whether an edge takes clients.

use weir_protocol::report::Status;

/// Whether an edge gets clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It does.
    Running = 0,
    /// It reports that it takes none.
    Paused = 1,
    /// It reports that it is being emptied.
    Draining = 2,
    /// Its last report said that it shuts down.
    Stopping = 3,
    /// It has not reported for too long.
    TimedOut = 4,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Running, Self::Paused, Self::Draining, Self::Stopping, Self::TimedOut];

    /// A stable name for metrics and logs.
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
        // Only `State as u8` is ever stored; an edge in a state that nobody knows would get no clients.
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
