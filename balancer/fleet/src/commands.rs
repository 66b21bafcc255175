//! What operators want of edges, until the edges say that they have obeyed. Pure.

use std::collections::HashMap;
use std::time::Duration;

use weir_protocol::{Action, Command, EdgeId};

use crate::time::Time;

/// Commands on their way, one for each edge at most: a later one takes the place of an earlier.
#[derive(Debug)]
pub struct Commands {
    /// How long an edge may take to obey. An edge that comes back after an hour must not be surprised.
    patience: Duration,
    waiting: HashMap<EdgeId, Waiting>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: u64,
    action: Action,
    given_at: Time,
}

impl Commands {
    /// No commands; each is given up after `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience, waiting: HashMap::new() }
    }

    /// An operator wants this of `edge`. `random` is any random number; returns the id of the command.
    pub fn give(&mut self, edge: EdgeId, action: Action, now: Time, random: u64) -> u64 {
        // 0 is no id.
        let id = random.max(1);
        self.waiting.insert(edge, Waiting { id, action, given_at: now });
        id
    }

    /// The command to send to `edge` with its next ack.
    #[must_use]
    pub fn next(&self, edge: EdgeId, now: Time) -> Option<Command> {
        let Waiting { id, action, given_at } = *self.waiting.get(&edge)?;
        let action = match action {
            // The deadline was counted from when the operator said so.
            Action::Drain { deadline: Some(deadline) } => {
                Action::Drain { deadline: Some(deadline.saturating_sub(now - given_at)) }
            }
            other => other,
        };
        Some(Command { id, action })
    }

    /// `edge` says which command of this balancer it obeyed last; whether that is the one that waits.
    pub fn confirm(&mut self, edge: EdgeId, obeyed: Option<u64>) -> bool {
        let is_obeyed = self.waiting.get(&edge).is_some_and(|waiting| Some(waiting.id) == obeyed);
        if is_obeyed {
            self.waiting.remove(&edge);
        }
        is_obeyed
    }

    /// Gives up what has waited for too long.
    pub fn expire(&mut self, now: Time, mut given_up: impl FnMut(EdgeId, Action)) {
        let patience = self.patience;
        self.waiting.retain(|edge, waiting| {
            let keep = now - waiting.given_at <= patience;
            if !keep {
                given_up(*edge, waiting.action);
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
    fn a_command_is_sent_until_the_edge_says_that_it_obeyed() {
        let mut commands = commands();
        let pause = commands.give(id(1), Action::Pause, at(0), 7);
        let sent = Command { id: pause, action: Action::Pause };
        assert_eq!(commands.next(id(1), at(10)), Some(sent));
        assert_eq!(commands.next(id(2), at(10)), None);
        assert!(!commands.confirm(id(1), None) && !commands.confirm(id(1), Some(8)));
        assert_eq!(commands.next(id(1), at(20)), Some(sent));
        assert!(commands.confirm(id(1), Some(7)));
        assert_eq!(commands.next(id(1), at(30)), None);
    }

    #[test]
    fn a_later_command_takes_the_place_of_an_earlier_one() {
        let mut commands = commands();
        commands.give(id(1), Action::Pause, at(0), 7);
        commands.give(id(1), Action::Unpause, at(1), 8);
        assert!(!commands.confirm(id(1), Some(7)));
        assert_eq!(commands.next(id(1), at(2)), Some(Command { id: 8, action: Action::Unpause }));
    }

    #[test]
    fn a_deadline_counts_from_when_it_was_given() {
        let mut commands = commands();
        let deadline = |seconds| Some(Duration::from_secs(seconds));
        commands.give(id(1), Action::Drain { deadline: deadline(10) }, at(0), 7);
        let left = |now| commands.next(id(1), at(now)).map(|command| command.action);
        assert_eq!(left(4000), Some(Action::Drain { deadline: deadline(6) }));
        assert_eq!(left(20_000), Some(Action::Drain { deadline: deadline(0) }));
    }

    #[test]
    fn a_command_that_nobody_obeys_is_given_up() {
        let mut commands = commands();
        commands.give(id(1), Action::Pause, at(0), 7);
        let mut given_up = Vec::new();
        commands.expire(at(60_000), |edge, action| given_up.push((edge, action)));
        assert!(given_up.is_empty());
        commands.expire(at(60_001), |edge, action| given_up.push((edge, action)));
        assert_eq!(given_up, [(id(1), Action::Pause)]);
        assert_eq!(commands.next(id(1), at(60_001)), None);
    }

    #[test]
    fn zero_is_no_id() {
        assert_eq!(commands().give(id(1), Action::Pause, at(0), 0), 1);
    }
}
