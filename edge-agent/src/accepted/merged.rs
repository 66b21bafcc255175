//! One total for the reports out of those that several probes say.

/// A running total that never runs backwards, whatever happens to the media servers behind it.
///
/// Totals of different probes begin at different numbers, and a media server that starts anew counts from zero; a balancer
/// must see only what was added.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    total: Option<u64>,
    /// What each probe said last; nothing at first.
    said: Vec<Option<u64>>,
}

impl Merged {
    /// Takes in what each probe says, and returns the total by the first that knows one. To take in the same again
    /// changes nothing.
    pub(crate) fn observe(&mut self, says: &[Option<u64>]) -> Option<u64> {
        let first = says.iter().position(Option::is_some)?;
        let now = says[first]?;
        let new = match self.said.get(first).copied().flatten() {
            // Less than before: it counts from zero again, and all that it has counted since is new.
            Some(before) => now.checked_sub(before).unwrap_or(now),
            None if self.total.is_none() => now,
            None => 0,
        };
        // What a silent probe counts meanwhile is counted by the one that stands in for it, so it is forgotten.
        self.said.clear();
        self.said.extend_from_slice(says);
        self.total = Some(self.total.unwrap_or(0).saturating_add(new));
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_media_server_that_starts_anew_goes_on_from_where_it_was() {
        let mut merged = Merged::default();
        assert_eq!(merged.observe(&[Some(1000)]), Some(1000));
        assert_eq!(merged.observe(&[Some(1000)]), Some(1000));
        assert_eq!(merged.observe(&[None]), None, "unknown is not what it was");
        assert_eq!(merged.observe(&[Some(3)]), Some(1003));
        assert_eq!(merged.observe(&[Some(5)]), Some(1005));
    }

    #[test]
    fn another_probe_that_stands_in_adds_only_what_it_has_seen_since() {
        let mut merged = Merged::default();
        assert_eq!(merged.observe(&[Some(1000), Some(20)]), Some(1000));
        assert_eq!(merged.observe(&[None, Some(25)]), Some(1005));
        assert_eq!(merged.observe(&[None, Some(26)]), Some(1006));
        assert_eq!(merged.observe(&[Some(1007), Some(26)]), Some(1006), "not the same six again");
        assert_eq!(merged.observe(&[Some(1009), Some(26)]), Some(1008));
    }

    #[test]
    fn a_probe_that_speaks_up_late_adds_nothing_at_first() {
        let mut merged = Merged::default();
        assert_eq!(merged.observe(&[None, Some(20)]), Some(20));
        assert_eq!(merged.observe(&[Some(1000), Some(20)]), Some(20));
        assert_eq!(merged.observe(&[Some(1001), Some(30)]), Some(21));
    }

    proptest! {
        #[test]
        fn the_total_never_runs_backwards(
            says in proptest::collection::vec(proptest::array::uniform2(proptest::option::of(any::<u64>())), 0..30),
        ) {
            let (mut merged, mut last) = (Merged::default(), 0);
            for says in says {
                if let Some(total) = merged.observe(&says) {
                    prop_assert!(total >= last);
                    last = total;
                }
                prop_assert_eq!(merged.observe(&says).is_some(), says.iter().any(Option::is_some));
            }
        }
    }
}
