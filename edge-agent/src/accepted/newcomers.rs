//! Which connections are new since the last look.

/// The connections of the last look, by numbers that no two connections share.
///
/// Only those are missed that come and go between two looks.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    /// Sorted; `None` when they are not known.
    last: Option<Vec<u64>>,
}

impl Newcomers {
    /// How many of `identities` were not there at the last look; unknown when those of either look are. They come sorted.
    pub(crate) fn count(&mut self, identities: Option<Vec<u64>>) -> Option<u64> {
        let last = std::mem::replace(&mut self.last, identities);
        Some(count_new(&last?, self.last.as_ref()?))
    }
}

/// How many are in `after` and not in `before`, both of them sorted.
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
    fn what_was_not_there_at_the_last_look_is_new() {
        let mut newcomers = Newcomers::default();
        assert_eq!(newcomers.count(Some(vec![1, 5, 9])), None, "nothing is known of before");
        assert_eq!(newcomers.count(Some(vec![0, 5, 7, 9, 12])), Some(3));
        assert_eq!(newcomers.count(None), None);
        assert_eq!(newcomers.count(Some(vec![1])), None, "nothing is known of before");
        assert_eq!(newcomers.count(Some(vec![1])), Some(0));
    }

    proptest! {
        #[test]
        fn it_is_the_difference_of_two_sets(
            before in proptest::collection::btree_set(0_u64..30, 0..30), after in proptest::collection::btree_set(0_u64..30, 0..30),
        ) {
            let sorted = |set: &BTreeSet<u64>| set.iter().copied().collect::<Vec<_>>();
            prop_assert_eq!(count_new(&sorted(&before), &sorted(&after)), after.difference(&before).count() as u64);
        }
    }
}
