//! The transcript of a client's session before the client has an edge.

/// Everything that an edge needs to continue a client's session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// The bytes that the client has sent since its handshake.
    pub received: Vec<u8>,
    /// The transactions that the balancer has answered.
    pub answered: AnsweredTransactions,
}

/// The transactions of one client that the balancer has answered in place of an edge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnsweredTransactions {
    transactions: Vec<Transaction>,
}

/// A transaction that the balancer has answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transaction {
    /// The transaction ID.
    pub(super) id: f64,
    /// The ID of the stream that was created, for `createStream`.
    pub(super) stream_id: Option<u32>,
}

impl AnsweredTransactions {
    /// Records that the connect was accepted.
    pub fn record_connect(&mut self, id: f64) {
        self.transactions.push(Transaction { id, stream_id: None });
    }

    /// Records that `createStream` was accepted. Returns the ID of the stream, which is 1 for the first stream, as with
    /// all media servers.
    pub fn record_create_stream(&mut self, id: f64) -> u32 {
        let last = self.transactions.iter().filter_map(|transaction| transaction.stream_id).max();
        let stream_id = last.unwrap_or(0) + 1;
        self.transactions.push(Transaction { id, stream_id: Some(stream_id) });
        stream_id
    }

    /// Returns whether nothing has been answered.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Removes the first transaction with this ID, in the order in which they were answered.
    pub(super) fn remove(&mut self, id: f64) -> Option<Transaction> {
        let index = self.transactions.iter().position(|transaction| transaction.id == id)?;
        Some(self.transactions.remove(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_numbered_from_one_as_by_media_servers() {
        let mut answered = AnsweredTransactions::default();
        answered.record_connect(1.0);
        assert_eq!(answered.record_create_stream(4.0), 1);
        assert_eq!(answered.record_create_stream(5.0), 2);
    }
}
