//! Worker threads, which serve clients. Each has its own runtime and sockets.

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

use crate::shutdown::until_closed;

/// Starts a thread that serves clients on `ports` until the other end of `stopped` is dropped.
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
                // A separate task: a future within block_on itself is polled at every event of the runtime.
                tokio::spawn(async move {
                    if let Err(error) = accept(port, front).await {
                        error!(worker = index, %error, "worker cannot serve clients");
                    }
                });
            }
            tokio::spawn(keep_timer());
            until_closed(stopped).await;
        });
    };
    std::thread::Builder::new().name(format!("weir-worker-{index}")).spawn(serve)
}

/// Shorter than the time limits of clients, by default and in every sensible configuration.
const TIMER: Duration = Duration::from_millis(500);

/// Keeps a timer pending that expires before those of clients. Each new timer that becomes the next one to expire costs
/// two system calls, since the runtime wakes itself. Without this, that would be nearly every client that the worker
/// waits for.
async fn keep_timer() {
    loop {
        tokio::time::sleep(TIMER).await;
    }
}
