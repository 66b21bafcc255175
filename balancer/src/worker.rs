//! The threads that serve clients, each with a runtime and sockets of its own.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tracing::error;
use weir_fronts::accept::accept;
use weir_fronts::listener::Port;
use weir_fronts::{Front, Shared};
use weir_program::random;

use crate::server::until_closed;

/// Starts a thread that accepts on `ports` until `stopped`.
pub(crate) fn start(
    index: usize,
    ports: Vec<Port>,
    shared: &Arc<Shared>,
    stopped: watch::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let front = Arc::new(Front::new(Arc::clone(shared), u64::from_ne_bytes(random::bytes())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = move || {
        runtime.block_on(async {
            for port in ports {
                let front = Arc::clone(&front);
                // A task of its own: what block_on polls itself is woken for every event of the runtime.
                tokio::spawn(async move {
                    if let Err(error) = accept(port, front).await {
                        error!(%error, "a worker cannot serve clients");
                    }
                });
            }
            tokio::spawn(beat());
            until_closed(stopped).await;
        });
    };
    std::thread::Builder::new().name(format!("weir-worker-{index}")).spawn(serve)
}

/// Sooner than the time limits of clients, by default and in every sensible configuration.
const BEAT: Duration = Duration::from_millis(500);

/// Keeps a timer running that is due before those of clients. The runtime wakes itself, which takes two system calls, for
/// each timer that is to be the next, and would do so for nearly every client that has to be waited for.
async fn beat() {
    loop {
        tokio::time::sleep(BEAT).await;
    }
}
