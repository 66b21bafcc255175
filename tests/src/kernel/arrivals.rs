//! TCP clients that connect one after another.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::host::Host;
use super::tally::Tally;

/// Pause between two clients, which leaves CPU time to others on this machine.
const PAUSE: Duration = Duration::from_millis(5);

/// Clients that arrive until stopped.
#[derive(Debug)]
pub struct Arrivals {
    /// Ends the thread when dropped.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<ArrivalStats>,
}

/// Results of the clients.
#[derive(Debug, Default)]
pub struct ArrivalStats {
    /// Number of clients by server.
    pub served: Tally,
    /// Errors of the other clients.
    pub failures: Vec<String>,
    /// Longest time that a client took.
    pub longest: Duration,
}

impl Arrivals {
    /// Starts clients that connect, are greeted, exchange one message, and disconnect.
    ///
    /// # Panics
    /// If no thread can be started.
    #[must_use]
    pub fn start(client: &Host, to: SocketAddr) -> Self {
        Self::with(client, move || connect(to))
    }

    /// Starts clients that call `connect`, which returns the name of the server.
    ///
    /// # Panics
    /// If no thread can be started.
    #[must_use]
    pub fn with(client: &Host, mut connect: impl FnMut() -> io::Result<String> + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = client.spawn(move || {
            let (mut arrived, mut served) = (ArrivalStats::default(), Vec::new());
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                let start = Instant::now();
                match connect() {
                    Ok(server) => served.push(server),
                    Err(error) => arrived.failures.push(error.to_string()),
                }
                arrived.longest = arrived.longest.max(start.elapsed());
            }
            ArrivalStats { served: served.into_iter().collect(), ..arrived }
        });
        Self { stop, thread }
    }

    /// Waits for the last client, and returns the results.
    ///
    /// # Panics
    /// If the thread panicked.
    #[must_use]
    pub fn finish(self) -> ArrivalStats {
        drop(self.stop);
        self.thread.join().expect("the clients finish")
    }
}

fn connect(to: SocketAddr) -> io::Result<String> {
    let mut connection = Connection::greeted(to)?;
    connection.exchange()?;
    Ok(connection.server().to_owned())
}
