//! How many connections were accepted, where the media server does not say so. Pure.
//!
//! The balancers learn from these totals how many of those that they send somewhere arrive; a count of connections alone
//! does not tell, since those that come and those that leave cancel each other.
//!
//! | module        | what it holds                                                                |
//! |---------------|------------------------------------------------------------------------------|
//! | [`newcomers`] | an exact count, from the identities of the connections                       |
//! | [`estimator`] | an estimate from their number alone                                          |
//! | [`merged`]    | one total for the reports, which never runs backwards                        |

mod estimator;
mod merged;
mod newcomers;

use std::time::Duration;

pub(crate) use merged::Merged;

use estimator::Estimator;
use newcomers::Newcomers;

/// A running total of connections, counted where their identities are known and estimated where only their number is.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    total: u64,
    newcomers: Newcomers,
    estimator: Estimator,
    /// What the estimator said last.
    estimated: u64,
}

impl Tally {
    /// The total after a look at the connections: their number, and their identities, sorted, if they are known. Those
    /// that are there at the first look were accepted, too.
    ///
    /// Time is whatever monotonic duration the caller counts in.
    pub(crate) fn observe(&mut self, connections: u64, identities: Option<Vec<u64>>, now: Duration) -> u64 {
        // The estimator always looks on: it has to have learned when it is needed.
        let estimated = self.estimator.observe(connections, now);
        let rise = estimated.saturating_sub(self.estimated);
        self.estimated = estimated;
        self.total = self.total.saturating_add(self.newcomers.count(identities).unwrap_or(rise));
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn those_that_replace_others_are_counted_where_identities_are_known() {
        let mut tally = Tally::default();
        assert_eq!(tally.observe(2, Some(vec![1, 2]), SECOND), 2);
        assert_eq!(tally.observe(2, Some(vec![2, 3]), 2 * SECOND), 3);
        assert_eq!(tally.observe(0, Some(vec![]), 3 * SECOND), 3);
        assert_eq!(tally.observe(1, Some(vec![4]), 4 * SECOND), 4);
    }

    #[test]
    fn while_identities_are_unknown_the_rise_is_estimated_and_the_total_goes_on() {
        let mut tally = Tally::default();
        assert_eq!(tally.observe(2, Some(vec![1, 2]), SECOND), 2);
        assert_eq!(tally.observe(7, None, 2 * SECOND), 7);
        assert_eq!(tally.observe(8, Some(vec![1, 2, 3, 4, 5, 6, 7, 8]), 3 * SECOND), 8, "these are not eight new ones");
        assert_eq!(tally.observe(8, Some(vec![2, 3, 4, 5, 6, 7, 8, 9]), 4 * SECOND), 9);
    }

    proptest! {
        #[test]
        fn the_total_never_runs_backwards(
            looks in proptest::collection::vec((proptest::collection::btree_set(0_u64..50, 0..40), any::<bool>(), 0_u64..3000), 0..60),
        ) {
            let (mut tally, mut total, mut now) = (Tally::default(), 0, Duration::ZERO);
            for (identities, are_known, elapsed) in looks {
                now += Duration::from_millis(elapsed);
                let count = identities.len() as u64;
                let next = tally.observe(count, are_known.then(|| identities.into_iter().collect()), now);
                prop_assert!(next >= total && next >= count);
                total = next;
            }
        }
    }
}
