//! What the edge owns: whether an operator has paused or drains it, and why else it takes no clients.
//!
//! The deciding is pure. What must survive a restart is kept in a file by [`Kept`].

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{error, warn};
use weir_protocol::Action;
use weir_protocol::report::{Capacity, Reasons, Status};

/// How many commands are remembered, so that none is obeyed twice.
const REMEMBERED_COMMANDS: usize = 16;

/// Full at its capacity, an edge takes clients again below this share of it: it would open and close with every client
/// otherwise.
const REOPEN_PERCENT: u64 = 95;

/// Why an edge takes no clients. The reasons do not know of each other, so that none cancels another.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) operator: Operator,
    is_full: bool,
}

/// What an operator has ordered; kept over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operator {
    /// The last start, in milliseconds since the Unix epoch. Each is later than the one before, whatever the clock says.
    boot_time: u64,
    paused: bool,
    drain: Option<Drain>,
    /// The ids of the last commands obeyed, the latest last.
    commands: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Drain {
    /// In milliseconds since the Unix epoch.
    deadline: Option<u64>,
}

impl Operator {
    /// Notes a start at `now`, and returns the time that it is to be known by.
    pub(crate) fn boot(&mut self, now: u64) -> u64 {
        self.boot_time = now.max(self.boot_time.saturating_add(1));
        self.boot_time
    }

    /// Does what is ordered; `now` is in milliseconds since the Unix epoch.
    pub(crate) fn obey(&mut self, action: Action, now: u64) {
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

    /// Whether the command `id` is a new one. It is remembered.
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

    /// How long until the deadline of the drain, when there is one that has not passed.
    pub(crate) fn drain_deadline(&self, now: u64) -> Option<Duration> {
        let left = self.drain?.deadline?.checked_sub(now)?;
        Some(Duration::from_millis(left))
    }

    fn is_draining(&self, now: u64) -> bool {
        self.drain.is_some_and(|drain| drain.deadline.is_none_or(|deadline| now < deadline))
    }
}

impl State {
    /// The state of an edge that has just started, with what an operator ordered before.
    pub(crate) fn new(operator: Operator) -> Self {
        Self { operator, is_full: false }
    }

    /// Notes how many connections there are, against what the edge can carry.
    pub(crate) fn set_load(&mut self, connections: Option<u64>, capacity: Capacity) {
        // Unknown is not zero: then it stays as it was.
        if let (Some(connections), Some(most)) = (connections, capacity.connections) {
            let reopen = u128::from(most) * u128::from(REOPEN_PERCENT) / 100;
            self.is_full = connections >= most || (self.is_full && u128::from(connections) >= reopen);
        }
    }

    /// What the balancers are to be told; `now` is in milliseconds since the Unix epoch.
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

/// The file that an operator's orders are kept in.
#[derive(Debug)]
pub(crate) struct Kept(Option<PathBuf>);

impl Kept {
    /// A file in this folder, or none.
    pub(crate) fn in_folder(folder: Option<&Path>) -> Self {
        Self(folder.map(|folder| folder.join("operator.json")))
    }

    /// What was kept. When it cannot be read, the edge starts paused: to take no clients by mistake is seen and undone,
    /// to take them into a maintenance is not.
    pub(crate) fn load(&self) -> Operator {
        let Some(file) = &self.0 else { return Operator::default() };
        let kept = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Operator::default()),
            Err(error) => Err(error.to_string()),
        };
        kept.unwrap_or_else(|error| {
            warn!(file = %file.display(), error, "whether this edge was paused cannot be read: it starts paused; see `weir-agent unpause`");
            Operator { paused: true, ..Operator::default() }
        })
    }

    /// Keeps `operator`. A failure is logged: the order is obeyed all the same, for as long as the agent runs.
    pub(crate) fn save(&self, operator: &Operator) {
        let Some(file) = &self.0 else { return };
        if let Err(error) = replace(file, operator) {
            error!(file = %file.display(), %error, "an operator's command cannot be kept over a restart");
        }
    }
}

/// Replaces the file as a whole: a crash leaves the old one or the new one.
fn replace(file: &Path, operator: &Operator) -> io::Result<()> {
    let new = file.with_extension("json.new");
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut output = File::create(&new)?;
    output.write_all(&serde_json::to_vec(operator)?)?;
    output.sync_all()?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_000_000;
    const TEN: Capacity = Capacity { connections: Some(100), bits_per_second: None };
    const MINUTE: Action = Action::Drain { deadline: Some(Duration::from_secs(60)) };

    #[test]
    fn reasons_come_and_go_without_touching_each_other() {
        let mut state = State::new(Operator::default());
        assert_eq!(state.status(true, NOW), (Status::Running, Reasons::NONE));
        state.operator.obey(Action::Pause, NOW);
        state.set_load(Some(100), TEN);
        let all = Reasons::OPERATOR.with(Reasons::CAPACITY).with(Reasons::HEALTH);
        assert_eq!(state.status(false, NOW), (Status::Paused, all));
        state.set_load(Some(0), TEN);
        assert_eq!(state.status(true, NOW), (Status::Paused, Reasons::OPERATOR), "a limit never un-pauses");
        state.operator.obey(Action::Unpause, NOW);
        assert_eq!(state.status(true, NOW), (Status::Running, Reasons::NONE));
    }

    #[test]
    fn a_full_edge_opens_again_below_its_limit_not_at_it() {
        let mut state = State::new(Operator::default());
        let mut full = |connections| {
            state.set_load(connections, TEN);
            state.status(true, NOW).1.contains(Reasons::CAPACITY)
        };
        assert_eq!(
            [full(Some(99)), full(Some(100)), full(Some(95)), full(None), full(Some(94)), full(Some(99))],
            [false, true, true, true, false, false]
        );
    }

    #[test]
    fn a_drain_ends_in_a_pause_at_its_deadline() {
        let mut state = State::new(Operator::default());
        state.operator.obey(MINUTE, NOW);
        assert_eq!(state.status(true, NOW), (Status::Draining, Reasons::OPERATOR));
        assert_eq!(state.operator.drain_deadline(NOW + 1000), Some(Duration::from_secs(59)));
        assert_eq!(state.status(true, NOW + 60_000), (Status::Paused, Reasons::OPERATOR));
        assert_eq!(state.operator.drain_deadline(NOW + 60_001), None);
        state.operator.obey(Action::Unpause, NOW);
        assert_eq!(state.status(true, NOW), (Status::Running, Reasons::NONE));
    }

    #[test]
    fn a_command_is_new_once() {
        let mut operator = Operator::default();
        assert!(operator.is_new(1) && !operator.is_new(1));
        assert!((2..18).all(|id| operator.is_new(id)));
        assert!(operator.is_new(1), "only the last sixteen are remembered");
    }

    #[test]
    fn each_start_is_later_than_the_one_before_even_when_the_clock_was_set_back() {
        let mut operator = Operator::default();
        assert_eq!([operator.boot(NOW), operator.boot(NOW - 5000), operator.boot(NOW + 5)], [NOW, NOW + 1, NOW + 5]);
    }

    #[test]
    fn orders_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::in_folder(Some(&folder.path().join("deep")));
        let mut operator = kept.load();
        assert_eq!(operator, Operator::default());
        operator.obey(MINUTE, NOW);
        operator.boot(NOW);
        kept.save(&operator);
        assert_eq!(kept.load(), operator);
    }

    #[test]
    fn an_edge_whose_orders_cannot_be_read_starts_paused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("operator.json"), b"{\"paused\":fal").unwrap();
        let state = State::new(Kept::in_folder(Some(folder.path())).load());
        assert_eq!(state.status(true, NOW), (Status::Paused, Reasons::OPERATOR));
    }

    proptest! {
        #[test]
        fn an_edge_runs_exactly_when_there_is_no_reason_against_it(
            steps in proptest::collection::vec((0_u8..5, 0_u64..120), 0..20), healthy in any::<bool>(),
        ) {
            let mut state = State::new(Operator::default());
            for (step, connections) in steps {
                match step {
                    0 => state.operator.obey(Action::Pause, NOW),
                    1 => state.operator.obey(Action::Unpause, NOW),
                    2 => state.operator.obey(MINUTE, NOW),
                    _ => state.set_load(Some(connections), TEN),
                }
            }
            let (status, reasons) = state.status(healthy, NOW);
            prop_assert_eq!(status == Status::Running, reasons.is_empty());
            prop_assert_eq!(reasons.contains(Reasons::HEALTH), !healthy);
        }
    }
}
