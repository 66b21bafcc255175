//! The number of connections accepted, for media servers that do not count them. Pure.
//!
//! Balancers learn from these totals how many of their assignments arrive. The number of current connections does not
//! show that, since arrivals and departures cancel each other out.
//!
//! | module              | contents                                                             |
//! |---------------------|----------------------------------------------------------------------|
//! | [`new_connections`] | an exact count, from the identities of the connections               |
//! | [`estimator`]       | an estimate from their number alone                                  |
//! | [`merged`]          | one total for the reports, from several probes, which never decreases |

mod estimator;
mod merged;
mod new_connections;

use std::time::Duration;

pub(crate) use merged::MergedTotal;

use estimator::Estimator;
use new_connections::NewConnections;

/// A running total of accepted connections: counted while their identities are known, estimated while only their number
/// is.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    total: u64,
    new: NewConnections,
    estimator: Estimator,
    /// The last total of the estimator.
    estimated: u64,
}

impl Tally {
    /// Returns the total after a sample of the connections: their number, and their identities, sorted, if they are
    /// known. The connections of the first sample count as accepted.
    ///
    /// `now` is monotonic time, from any origin.
    pub(crate) fn observe(&mut self, connections: u64, identities: Option<Vec<u64>>, now: Duration) -> u64 {
        // The estimator sees every sample, so that it has learned by the time it is needed.
        let estimated = self.estimator.observe(connections, now);
        let rise = estimated.saturating_sub(self.estimated);
        self.estimated = estimated;
        self.total = self.total.saturating_add(self.new.count(identities).unwrap_or(rise));
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn connections_that_replace_others_are_counted_while_identities_are_known() {
        let mut tally = Tally::default();
        assert_eq!(tally.observe(2, Some(vec![1, 2]), SECOND), 2);
        assert_eq!(tally.observe(2, Some(vec![2, 3]), 2 * SECOND), 3);
        assert_eq!(tally.observe(0, Some(vec![]), 3 * SECOND), 3);
        assert_eq!(tally.observe(1, Some(vec![4]), 4 * SECOND), 4);
    }

    #[test]
    fn the_rise_is_estimated_while_identities_are_unknown() {
        let mut tally = Tally::default();
        assert_eq!(tally.observe(2, Some(vec![1, 2]), SECOND), 2);
        assert_eq!(tally.observe(7, None, 2 * SECOND), 7);
        assert_eq!(
            tally.observe(8, Some(vec![1, 2, 3, 4, 5, 6, 7, 8]), 3 * SECOND),
            8,
            "these are not eight new connections"
        );
        assert_eq!(tally.observe(8, Some(vec![2, 3, 4, 5, 6, 7, 8, 9]), 4 * SECOND), 9);
    }

    proptest! {
        #[test]
        fn the_total_never_decreases(
            samples in proptest::collection::vec((proptest::collection::btree_set(0_u64..50, 0..40), any::<bool>(), 0_u64..3000), 0..60),
        ) {
            let (mut tally, mut total, mut now) = (Tally::default(), 0, Duration::ZERO);
            for (identities, are_known, elapsed) in samples {
                now += Duration::from_millis(elapsed);
                let count = identities.len() as u64;
                let next = tally.observe(count, are_known.then(|| identities.into_iter().collect()), now);
                prop_assert!(next >= total && next >= count);
                total = next;
            }
        }
    }
}
