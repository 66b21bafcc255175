//! Operators' commands on their way to edges, until they are confirmed or expire.

use std::collections::HashMap;
use std::time::Duration;

use weir_protocol::{Action, Command, EdgeId};

use crate::time::Time;

/// Queued commands, at most one for each edge: a later command replaces an earlier one.
#[derive(Debug)]
pub struct Commands {
    /// The time after which an unconfirmed command expires, so that an edge that returns after an hour does not execute
    /// it.
    timeout: Duration,
    pending: HashMap<EdgeId, Pending>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    id: u64,
    action: Action,
    queued_at: Time,
}

impl Commands {
    /// Returns an empty queue whose commands expire after `timeout`.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, pending: HashMap::new() }
    }

    /// Queues a command for `edge` and returns its id. `random` is any random number.
    pub fn queue(&mut self, edge: EdgeId, action: Action, now: Time, random: u64) -> u64 {
        // 0 is not a valid id.
        let id = random.max(1);
        self.pending.insert(edge, Pending { id, action, queued_at: now });
        id
    }

    /// Returns the command to deliver to `edge` with the next ack. It is delivered again until it is confirmed.
    #[must_use]
    pub fn next(&self, edge: EdgeId, now: Time) -> Option<Command> {
        let Pending { id, action, queued_at } = *self.pending.get(&edge)?;
        let action = match action {
            // The deadline is relative to the time at which the command was queued.
            Action::Drain { deadline: Some(deadline) } => {
                Action::Drain { deadline: Some(deadline.saturating_sub(now - queued_at)) }
            }
            other => other,
        };
        Some(Command::new(id, action))
    }

    /// Removes the queued command of `edge` if its id is `last_command`, the last command that the edge reports to have
    /// executed. Returns whether it was.
    pub fn confirm(&mut self, edge: EdgeId, last_command: Option<u64>) -> bool {
        let is_confirmed = self.pending.get(&edge).is_some_and(|pending| Some(pending.id) == last_command);
        if is_confirmed {
            self.pending.remove(&edge);
        }
        is_confirmed
    }

    /// Removes the commands that have not been confirmed in time, and calls `expired` for each.
    pub fn expire(&mut self, now: Time, mut expired: impl FnMut(EdgeId, Action)) {
        let timeout = self.timeout;
        self.pending.retain(|edge, pending| {
            let keep = now - pending.queued_at <= timeout;
            if !keep {
                expired(*edge, pending.action);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, id};

    fn commands() -> Commands {
        Commands::new(Duration::from_secs(60))
    }

    #[test]
    fn a_command_is_delivered_until_the_edge_confirms_it() {
        let mut commands = commands();
        let pause = commands.queue(id(1), Action::Pause, at(0), 7);
        let sent = Command::new(pause, Action::Pause);
        assert_eq!(commands.next(id(1), at(10)), Some(sent));
        assert_eq!(commands.next(id(2), at(10)), None);
        assert!(!commands.confirm(id(1), None) && !commands.confirm(id(1), Some(8)));
        assert_eq!(commands.next(id(1), at(20)), Some(sent));
        assert!(commands.confirm(id(1), Some(7)));
        assert_eq!(commands.next(id(1), at(30)), None);
    }

    #[test]
    fn a_later_command_replaces_an_earlier_one() {
        let mut commands = commands();
        commands.queue(id(1), Action::Pause, at(0), 7);
        commands.queue(id(1), Action::Unpause, at(1), 8);
        assert!(!commands.confirm(id(1), Some(7)));
        assert_eq!(commands.next(id(1), at(2)), Some(Command::new(8, Action::Unpause)));
    }

    #[test]
    fn a_drain_deadline_is_relative_to_the_time_of_the_command() {
        let mut commands = commands();
        let deadline = |seconds| Some(Duration::from_secs(seconds));
        commands.queue(id(1), Action::Drain { deadline: deadline(10) }, at(0), 7);
        let left = |now| commands.next(id(1), at(now)).map(|command| command.action);
        assert_eq!(left(4000), Some(Action::Drain { deadline: deadline(6) }));
        assert_eq!(left(20_000), Some(Action::Drain { deadline: deadline(0) }));
    }

    #[test]
    fn an_unconfirmed_command_expires() {
        let mut commands = commands();
        commands.queue(id(1), Action::Pause, at(0), 7);
        let mut expired = Vec::new();
        commands.expire(at(60_000), |edge, action| expired.push((edge, action)));
        assert!(expired.is_empty());
        commands.expire(at(60_001), |edge, action| expired.push((edge, action)));
        assert_eq!(expired, [(id(1), Action::Pause)]);
        assert_eq!(commands.next(id(1), at(60_001)), None);
    }

    #[test]
    fn a_command_id_is_never_zero() {
        assert_eq!(commands().queue(id(1), Action::Pause, at(0), 0), 1);
    }
}
