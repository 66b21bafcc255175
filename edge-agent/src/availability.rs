//! Whether the edge takes clients, and why it does not: the commands of operators, its capacity, its health. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_protocol::Action;
use weir_protocol::report::{Capacity, Reasons, Status};

/// The number of commands that are remembered, so that none is applied twice.
const REMEMBERED_COMMANDS: usize = 16;

/// An edge that is full takes clients again once its connections are below this percentage of its capacity. Without
/// this hysteresis it would change its state with every client.
const REOPEN_PERCENT: u64 = 95;

/// Whether the edge takes clients. The reasons against it are independent: none cancels another.
#[derive(Debug)]
pub(crate) struct Availability {
    pub(crate) operator: OperatorState,
    is_full: bool,
}

/// The effect of operators' commands, which is kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperatorState {
    /// The boot time of the last start, in milliseconds since the Unix epoch. It grows with each start, even when the
    /// clock was set back.
    boot_time: u64,
    paused: bool,
    drain: Option<Drain>,
    /// The ids of the last commands applied, the latest last.
    commands: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Drain {
    /// In milliseconds since the Unix epoch.
    deadline: Option<u64>,
}

impl OperatorState {
    /// The state of an edge that was paused.
    pub(crate) fn paused() -> Self {
        Self { paused: true, ..Self::default() }
    }

    /// Notes a start at `now`, in milliseconds since the Unix epoch, and returns the boot time to report.
    pub(crate) fn record_start(&mut self, now: u64) -> u64 {
        self.boot_time = now.max(self.boot_time.saturating_add(1));
        self.boot_time
    }

    /// Applies a command; `now` is in milliseconds since the Unix epoch.
    pub(crate) fn apply(&mut self, action: Action, now: u64) {
        match action {
            Action::Pause => self.paused = true,
            Action::Unpause => (self.paused, self.drain) = (false, None),
            Action::Drain { deadline } => {
                let until =
                    |deadline: Duration| now.saturating_add(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
                self.drain = Some(Drain { deadline: deadline.map(until) });
            }
        }
    }

    /// Returns whether the command with this id is new, and remembers it.
    pub(crate) fn is_new(&mut self, id: u64) -> bool {
        if self.commands.contains(&id) {
            return false;
        }
        self.commands.push_back(id);
        while self.commands.len() > REMEMBERED_COMMANDS {
            self.commands.pop_front();
        }
        true
    }

    /// Returns the time left until the drain deadline; `None` without one, and after it.
    pub(crate) fn drain_deadline(&self, now: u64) -> Option<Duration> {
        let left = self.drain?.deadline?.checked_sub(now)?;
        Some(Duration::from_millis(left))
    }

    fn is_draining(&self, now: u64) -> bool {
        self.drain.is_some_and(|drain| drain.deadline.is_none_or(|deadline| now < deadline))
    }
}

impl Availability {
    /// The availability of an edge that has just started, with the commands kept from before.
    pub(crate) fn new(operator: OperatorState) -> Self {
        Self { operator, is_full: false }
    }

    /// Compares the number of connections with the capacity of the edge.
    pub(crate) fn set_load(&mut self, connections: Option<u64>, capacity: Capacity) {
        // Unknown is not zero: the previous result stands.
        if let (Some(connections), Some(max)) = (connections, capacity.connections) {
            let reopen = u128::from(max) * u128::from(REOPEN_PERCENT) / 100;
            self.is_full = connections >= max || (self.is_full && u128::from(connections) >= reopen);
        }
    }

    /// Returns the status to report, and the reasons for it; `now` is in milliseconds since the Unix epoch.
    pub(crate) fn status(&self, is_healthy: bool, now: u64) -> (Status, Reasons) {
        let reasons = Reasons::NONE
            .with_if(self.operator.paused || self.operator.drain.is_some(), Reasons::OPERATOR)
            .with_if(self.is_full, Reasons::CAPACITY)
            .with_if(!is_healthy, Reasons::HEALTH);
        let status = if self.operator.is_draining(now) {
            Status::Draining
        } else if reasons.is_empty() {
            Status::Running
        } else {
            Status::Paused
        };
        (status, reasons)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_000_000;
    const HUNDRED: Capacity = Capacity::UNLIMITED.with_connections(Some(100));
    const MINUTE: Action = Action::Drain { deadline: Some(Duration::from_secs(60)) };

    fn started() -> Availability {
        Availability::new(OperatorState::default())
    }

    #[test]
    fn reasons_are_independent_of_each_other() {
        let mut edge = started();
        assert_eq!(edge.status(true, NOW), (Status::Running, Reasons::NONE));
        edge.operator.apply(Action::Pause, NOW);
        edge.set_load(Some(100), HUNDRED);
        let all = Reasons::OPERATOR.with(Reasons::CAPACITY).with(Reasons::HEALTH);
        assert_eq!(edge.status(false, NOW), (Status::Paused, all));
        edge.set_load(Some(0), HUNDRED);
        assert_eq!(edge.status(true, NOW), (Status::Paused, Reasons::OPERATOR), "a limit never unpauses");
        edge.operator.apply(Action::Unpause, NOW);
        assert_eq!(edge.status(true, NOW), (Status::Running, Reasons::NONE));
    }

    #[test]
    fn a_full_edge_takes_clients_again_well_below_its_limit() {
        let mut edge = started();
        let mut full = |connections| {
            edge.set_load(connections, HUNDRED);
            edge.status(true, NOW).1.contains(Reasons::CAPACITY)
        };
        assert_eq!(
            [full(Some(99)), full(Some(100)), full(Some(95)), full(None), full(Some(94)), full(Some(99))],
            [false, true, true, true, false, false]
        );
    }

    #[test]
    fn a_draining_edge_is_paused_after_the_deadline() {
        let mut edge = started();
        edge.operator.apply(MINUTE, NOW);
        assert_eq!(edge.status(true, NOW), (Status::Draining, Reasons::OPERATOR));
        assert_eq!(edge.operator.drain_deadline(NOW + 1000), Some(Duration::from_secs(59)));
        assert_eq!(edge.status(true, NOW + 60_000), (Status::Paused, Reasons::OPERATOR));
        assert_eq!(edge.operator.drain_deadline(NOW + 60_001), None);
        edge.operator.apply(Action::Unpause, NOW);
        assert_eq!(edge.status(true, NOW), (Status::Running, Reasons::NONE));
    }

    #[test]
    fn a_command_is_new_once() {
        let mut operator = OperatorState::default();
        assert!(operator.is_new(1) && !operator.is_new(1));
        assert!((2..18).all(|id| operator.is_new(id)));
        assert!(operator.is_new(1), "only the last sixteen are remembered");
    }

    #[test]
    fn the_boot_time_grows_with_each_start_even_when_the_clock_was_set_back() {
        let mut operator = OperatorState::default();
        let starts = [NOW, NOW - 5000, NOW + 5].map(|now| operator.record_start(now));
        assert_eq!(starts, [NOW, NOW + 1, NOW + 5]);
    }

    proptest! {
        #[test]
        fn an_edge_runs_exactly_when_there_is_no_reason_against_it(
            steps in proptest::collection::vec((0_u8..5, 0_u64..120), 0..20), healthy in any::<bool>(),
        ) {
            let mut edge = started();
            for (step, connections) in steps {
                match step {
                    0 => edge.operator.apply(Action::Pause, NOW),
                    1 => edge.operator.apply(Action::Unpause, NOW),
                    2 => edge.operator.apply(MINUTE, NOW),
                    _ => edge.set_load(Some(connections), HUNDRED),
                }
            }
            let (status, reasons) = edge.status(healthy, NOW);
            prop_assert_eq!(status == Status::Running, reasons.is_empty());
            prop_assert_eq!(reasons.contains(Reasons::HEALTH), !healthy);
        }
    }
}
