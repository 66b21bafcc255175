//! Which of the streams that a probe found are reported.

use std::cmp::Reverse;
use std::collections::HashMap;

use weir_protocol::report::{HotStreams, MAX_HOT_STREAMS};

/// Streams by their hashes, with their clients.
#[derive(Debug, Default)]
pub(crate) struct Hottest {
    clients: HashMap<u64, u64>,
}

impl Hottest {
    /// Adds clients of a stream. A stream that is there under several names, or in several places, has them all.
    pub(crate) fn add(&mut self, stream: Option<u64>, clients: u64) {
        // One that has no name that a client could ask for, or no clients, is not hot.
        if let Some(stream) = stream.filter(|_| clients > 0) {
            let sum = self.clients.entry(stream).or_default();
            *sum = sum.saturating_add(clients);
        }
    }

    /// Those with the most clients, most first, by their hash where they have as many: the same list for the same load.
    pub(crate) fn hottest(self) -> HotStreams {
        let mut streams: Vec<(u64, u64)> = self.clients.into_iter().collect();
        streams.sort_unstable_by_key(|(stream, clients)| (Reverse(*clients), *stream));
        streams.into_iter().map(|(stream, _)| stream).take(MAX_HOT_STREAMS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hottest(streams: impl IntoIterator<Item = (u64, u64)>) -> Vec<u64> {
        let mut all = Hottest::default();
        for (stream, clients) in streams {
            all.add(Some(stream), clients);
        }
        all.hottest().into_iter().collect()
    }

    #[test]
    fn the_hottest_stream_is_first_and_of_equals_the_one_with_the_lower_hash() {
        assert_eq!(hottest([(3, 10), (2, 7), (9, 12), (1, 10)]), [9, 1, 3, 2]);
    }

    #[test]
    fn a_stream_in_several_places_has_the_clients_of_all() {
        assert_eq!(hottest([(1, 4), (2, 5), (1, 2)]), [1, 2]);
        assert_eq!(hottest([(1, u64::MAX), (2, 5), (1, 2)]), [1, 2]);
    }

    #[test]
    fn a_stream_without_clients_or_without_a_name_is_not_hot() {
        let mut all = Hottest::default();
        all.add(None, 7);
        all.add(Some(1), 0);
        assert!(all.hottest().is_empty());
    }

    #[test]
    fn only_as_many_are_reported_as_fit() {
        let streams = hottest((0..100).map(|stream| (stream, stream)));
        assert_eq!(streams, (68..100).rev().collect::<Vec<_>>());
    }
}
