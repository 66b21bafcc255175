//! The signal that stops the threads: a channel that is closed.

use tokio::sync::watch;

/// Resolves when the sender is dropped; nothing is ever sent.
pub(crate) async fn until_closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}
