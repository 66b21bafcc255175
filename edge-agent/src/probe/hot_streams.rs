//! The streams with the most clients, which are those that a report has room for.

use std::cmp::Reverse;
use std::collections::HashMap;

use weir_protocol::report::{HotStreams, MAX_HOT_STREAMS};

/// Clients per stream, by the hash of the stream.
#[derive(Debug, Default)]
pub(crate) struct StreamClients {
    clients: HashMap<u64, u64>,
}

impl StreamClients {
    /// Adds clients of a stream. Counts of the same stream, under several names or in several applications, add up.
    pub(crate) fn add(&mut self, stream: Option<u64>, clients: u64) {
        // A stream without clients is not hot, nor is one without a name that clients could request.
        if let Some(stream) = stream.filter(|_| clients > 0) {
            let sum = self.clients.entry(stream).or_default();
            *sum = sum.saturating_add(clients);
        }
    }

    /// Returns the streams with the most clients, the one with the most first. Streams with equally many clients are
    /// ordered by their hash, so that the same load always gives the same list.
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
        let mut all = StreamClients::default();
        for (stream, clients) in streams {
            all.add(Some(stream), clients);
        }
        all.hottest().into_iter().collect()
    }

    #[test]
    fn the_stream_with_the_most_clients_comes_first_and_ties_go_by_hash() {
        assert_eq!(hottest([(3, 10), (2, 7), (9, 12), (1, 10)]), [9, 1, 3, 2]);
    }

    #[test]
    fn clients_of_the_same_stream_add_up() {
        assert_eq!(hottest([(1, 4), (2, 5), (1, 2)]), [1, 2]);
        assert_eq!(hottest([(1, u64::MAX), (2, 5), (1, 2)]), [1, 2]);
    }

    #[test]
    fn streams_without_clients_or_without_a_name_are_left_out() {
        let mut all = StreamClients::default();
        all.add(None, 7);
        all.add(Some(1), 0);
        assert!(all.hottest().is_empty());
    }

    #[test]
    fn no_more_streams_are_reported_than_fit() {
        let streams = hottest((0..100).map(|stream| (stream, stream)));
        assert_eq!(streams, (68..100).rev().collect::<Vec<_>>());
    }
}
