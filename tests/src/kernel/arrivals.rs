//! Clients over TCP that come one after the other, for as long as something is done to the site.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::host::Host;
use super::tally::Tally;
use super::visitor::Visit;

/// Between two clients: others have something to do as well on this machine.
const PAUSE: Duration = Duration::from_millis(5);

/// Clients that arrive until told to stop.
#[derive(Debug)]
pub struct Arrivals {
    /// Ends the thread when dropped.
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Arrived>,
}

/// What became of those who arrived.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Who was greeted by whom.
    pub greeted: Tally,
    /// Why others were not.
    pub failures: Vec<String>,
    /// The longest that one of them took.
    pub longest: Duration,
}

impl Arrivals {
    /// Each client connects, is greeted, asks once, and leaves; then the next one comes.
    ///
    /// # Panics
    /// When there is no thread for it.
    #[must_use]
    pub fn start(client: &Host, to: SocketAddr) -> Self {
        Self::by(client, move || visit(to))
    }

    /// Each client does this, which returns who served it; then the next one comes.
    ///
    /// # Panics
    /// When there is no thread for it.
    #[must_use]
    pub fn by(client: &Host, mut visit: impl FnMut() -> io::Result<String> + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = client.spawn(move || {
            let (mut arrived, mut greeted) = (Arrived::default(), Vec::new());
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                let start = Instant::now();
                match visit() {
                    Ok(server) => greeted.push(server),
                    Err(error) => arrived.failures.push(error.to_string()),
                }
                arrived.longest = arrived.longest.max(start.elapsed());
            }
            Arrived { greeted: greeted.into_iter().collect(), ..arrived }
        });
        Self { stop, thread }
    }

    /// Lets the last one leave, and returns what became of all.
    ///
    /// # Panics
    /// When the thread did.
    #[must_use]
    pub fn finish(self) -> Arrived {
        drop(self.stop);
        self.thread.join().expect("the clients leave")
    }
}

fn visit(to: SocketAddr) -> io::Result<String> {
    let mut visit = Visit::connect(to)?;
    visit.ask()?;
    Ok(visit.server().to_owned())
}
