//! Sends answers to clients, and counts clients that do not read them.

use std::io;

use weir_fleet::Protocol;

use crate::downstream::Downstream;
use crate::front::Front;

/// The `reason` label of clients rejected because they do not read their answers.
pub(crate) const SLOW_READER: &str = "slow-reader";

impl Downstream {
    /// Sends an answer within `[limits] decision_timeout` per 64 KiB. A client that does not read it is counted as
    /// rejected.
    ///
    /// # Errors
    /// Those of [`Downstream::send`].
    pub(crate) async fn answer(&mut self, front: &Front, protocol: Protocol, bytes: &[u8]) -> io::Result<()> {
        let sent = self.send(bytes, front.limits().decision_timeout).await;
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            front.metrics().reject_client(protocol.name(), SLOW_READER);
        }
        sent
    }
}
