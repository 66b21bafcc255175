//! The number of new connections since the previous sample.

/// The connections of the previous sample, by identities that no two connections share.
///
/// Connections that are opened and closed between two samples are missed.
#[derive(Debug, Default)]
pub(crate) struct NewConnections {
    /// Sorted; `None` when unknown.
    last: Option<Vec<u64>>,
}

impl NewConnections {
    /// Returns how many of `identities`, which must be sorted, were not in the previous sample; `None` when the identities
    /// of either sample are unknown.
    pub(crate) fn count(&mut self, identities: Option<Vec<u64>>) -> Option<u64> {
        let last = std::mem::replace(&mut self.last, identities);
        Some(count_new(&last?, self.last.as_ref()?))
    }
}

/// Returns how many elements of `after` are not in `before`; both are sorted.
fn count_new(before: &[u64], after: &[u64]) -> u64 {
    let mut before = before.iter().peekable();
    let mut new = 0;
    for identity in after {
        while before.next_if(|known| *known < identity).is_some() {}
        if before.next_if_eq(&identity).is_none() {
            new += 1;
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn connections_that_were_not_in_the_previous_sample_are_new() {
        let mut new = NewConnections::default();
        assert_eq!(new.count(Some(vec![1, 5, 9])), None, "there is no previous sample");
        assert_eq!(new.count(Some(vec![0, 5, 7, 9, 12])), Some(3));
        assert_eq!(new.count(None), None);
        assert_eq!(new.count(Some(vec![1])), None, "the previous sample is unknown");
        assert_eq!(new.count(Some(vec![1])), Some(0));
    }

    proptest! {
        #[test]
        fn the_count_is_that_of_a_set_difference(
            before in proptest::collection::btree_set(0_u64..30, 0..30), after in proptest::collection::btree_set(0_u64..30, 0..30),
        ) {
            let sorted = |set: &BTreeSet<u64>| set.iter().copied().collect::<Vec<_>>();
            prop_assert_eq!(count_new(&sorted(&before), &sorted(&after)), after.difference(&before).count() as u64);
        }
    }
}
