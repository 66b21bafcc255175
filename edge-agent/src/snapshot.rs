//! The state of the edge as it is reported, and whether a change of it is urgent. Pure.

use std::time::Duration;

use weir_protocol::report::{Reasons, Status};

use crate::probe::Reading;

/// The state of the edge at one moment, which goes to every target with the next report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) status: Status,
    pub(crate) reasons: Reasons,
    /// Time left until the drain deadline.
    pub(crate) drain_deadline: Option<Duration>,
    pub(crate) reading: Reading,
    /// The number of commands confirmed so far. A new one is urgent: the balancer waits for the confirmation.
    pub(crate) confirmations: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            status: Status::Running,
            reasons: Reasons::NONE,
            drain_deadline: None,
            reading: Reading::default(),
            confirmations: 0,
        }
    }
}

/// A change of more connections than both this number and this share is urgent: otherwise the balancers would send too
/// many or too few clients here for the rest of the interval.
const JUMP_CONNECTIONS: u64 = 10;
const JUMP_DIVISOR: u64 = 10;

impl Snapshot {
    /// Returns whether this state must be reported ahead of time when `reported` was reported last.
    pub(crate) fn is_urgent_after(&self, reported: &Self) -> bool {
        let state = |snapshot: &Self| (snapshot.status, snapshot.reasons, snapshot.confirmations);
        state(self) != state(reported) || is_jump(reported.reading.connections, self.reading.connections)
    }
}

fn is_jump(before: Option<u64>, after: Option<u64>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return before.is_some() != after.is_some();
    };
    before.abs_diff(after) > JUMP_CONNECTIONS.max(before / JUMP_DIVISOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_connections(connections: Option<u64>) -> Snapshot {
        Snapshot { reading: Reading { connections, ..Reading::default() }, ..Snapshot::default() }
    }

    #[test]
    fn changes_of_state_confirmations_and_jumps_of_load_are_urgent() {
        let reported = with_connections(Some(1000));
        let urgent = |snapshot: Snapshot| snapshot.is_urgent_after(&reported);
        assert!(urgent(Snapshot { status: Status::Paused, ..reported.clone() }));
        assert!(urgent(Snapshot { reasons: Reasons::CAPACITY, ..reported.clone() }));
        assert!(urgent(Snapshot { confirmations: 1, ..reported.clone() }));
        assert!(urgent(with_connections(Some(1101))) && urgent(with_connections(Some(899))));
        assert!(urgent(with_connections(None)), "unknown is not a small change");
        assert!(!urgent(with_connections(Some(1100))) && !urgent(reported.clone()));
        assert!(!with_connections(Some(10)).is_urgent_after(&with_connections(Some(0))));
        assert!(with_connections(Some(11)).is_urgent_after(&with_connections(Some(0))));
    }
}
