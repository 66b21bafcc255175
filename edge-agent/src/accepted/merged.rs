//! One total for the reports, from the totals of several probes.

/// A running total that never decreases, whatever happens to the media servers behind it.
///
/// The totals of different probes have different start values, and a media server counts from zero after a restart. The
/// balancers must see only the increases.
#[derive(Debug, Default)]
pub(crate) struct MergedTotal {
    total: Option<u64>,
    /// The last total of each probe; empty at first.
    last: Vec<Option<u64>>,
}

impl MergedTotal {
    /// Adds the increase of the first probe with a known total, and returns the sum. Observing the same totals again
    /// changes nothing.
    pub(crate) fn observe(&mut self, totals: &[Option<u64>]) -> Option<u64> {
        let first = totals.iter().position(Option::is_some)?;
        let now = totals[first]?;
        let new = match self.last.get(first).copied().flatten() {
            // After a decrease it counts from zero again, and its whole total is new.
            Some(before) => now.checked_sub(before).unwrap_or(now),
            None if self.total.is_none() => now,
            None => 0,
        };
        // The last total of a failed probe is dropped: connections of that time are counted by the probe in its place.
        self.last.clear();
        self.last.extend_from_slice(totals);
        self.total = Some(self.total.unwrap_or(0).saturating_add(new));
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_total_continues_after_a_restart_of_the_media_server() {
        let mut merged = MergedTotal::default();
        assert_eq!(merged.observe(&[Some(1000)]), Some(1000));
        assert_eq!(merged.observe(&[Some(1000)]), Some(1000));
        assert_eq!(merged.observe(&[None]), None, "unknown is not the last total");
        assert_eq!(merged.observe(&[Some(3)]), Some(1003));
        assert_eq!(merged.observe(&[Some(5)]), Some(1005));
    }

    #[test]
    fn a_probe_in_the_place_of_a_failed_one_adds_only_its_increase_since() {
        let mut merged = MergedTotal::default();
        assert_eq!(merged.observe(&[Some(1000), Some(20)]), Some(1000));
        assert_eq!(merged.observe(&[None, Some(25)]), Some(1005));
        assert_eq!(merged.observe(&[None, Some(26)]), Some(1006));
        assert_eq!(merged.observe(&[Some(1007), Some(26)]), Some(1006), "the same six are not counted twice");
        assert_eq!(merged.observe(&[Some(1009), Some(26)]), Some(1008));
    }

    #[test]
    fn a_probe_that_succeeds_late_adds_nothing_at_first() {
        let mut merged = MergedTotal::default();
        assert_eq!(merged.observe(&[None, Some(20)]), Some(20));
        assert_eq!(merged.observe(&[Some(1000), Some(20)]), Some(20));
        assert_eq!(merged.observe(&[Some(1001), Some(30)]), Some(21));
    }

    proptest! {
        #[test]
        fn the_total_never_decreases(
            samples in proptest::collection::vec(proptest::array::uniform2(proptest::option::of(any::<u64>())), 0..30),
        ) {
            let (mut merged, mut last) = (MergedTotal::default(), 0);
            for totals in samples {
                if let Some(total) = merged.observe(&totals) {
                    prop_assert!(total >= last);
                    last = total;
                }
                prop_assert_eq!(merged.observe(&totals).is_some(), totals.iter().any(Option::is_some));
            }
        }
    }
}
