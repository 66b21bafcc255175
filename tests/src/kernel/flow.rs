//! A UDP client that sends numbered datagrams from one port at a constant rate, like a media stream.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connection::unspecified;
use super::host::Host;
use super::tally::Tally;
use crate::wait;

/// Time limit for replies after the last datagram.
const GRACE: Duration = Duration::from_secs(1);

/// A flow to an [`Application`](super::application::Application).
#[derive(Debug)]
pub struct Flow {
    delivery: Arc<Mutex<Delivery>>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Datagrams and replies.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// When each datagram was sent, by number from 0.
    sent: Vec<Instant>,
    /// When each reply was received, and from which server.
    replies: BTreeMap<usize, (Instant, String)>,
}

impl Flow {
    /// Starts to send a datagram at each interval.
    ///
    /// # Panics
    /// If there is no route to the address.
    #[must_use]
    pub fn start(client: &Host, to: SocketAddr, every: Duration) -> Self {
        let socket = client.run(|| UdpSocket::bind((unspecified(to), 0))).expect("a free port");
        socket.connect(to).expect("a route to the address");
        socket.set_nonblocking(true).expect("a socket");
        let delivery = Arc::new(Mutex::new(Delivery::default()));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&delivery);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(send(socket, every, &shared, stopped));
        });
        Self { delivery, stop, thread }
    }

    /// Datagrams and replies so far. Some replies may be on their way.
    #[must_use]
    pub fn so_far(&self) -> Delivery {
        read(&self.delivery, |delivery| delivery.clone())
    }

    /// Waits until `condition` is true, and returns datagrams and replies so far.
    ///
    /// # Panics
    /// If it takes too long.
    #[track_caller]
    pub fn until(&self, description: &str, condition: impl Fn(&Delivery) -> bool) -> Delivery {
        wait::eventually(description, wait::PATIENCE, || {
            let delivery = self.so_far();
            if condition(&delivery) {
                Ok(delivery)
            } else {
                Err(format!("{} of {}", delivery.servers(), delivery.sent()))
            }
        })
    }

    /// Stops sending, waits for the last replies, and returns all datagrams and replies.
    ///
    /// # Panics
    /// If the flow has failed.
    #[must_use]
    pub fn finish(self) -> Delivery {
        drop(self.stop);
        self.thread.join().expect("the flow runs to its end");
        read(&self.delivery, |delivery| delivery.clone())
    }
}

impl Delivery {
    /// Number of datagrams.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent.len()
    }

    /// Number of datagrams without a reply.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.sent.len() - self.replies.len()
    }

    /// Number of datagrams without a reply, of those sent since `moment`.
    #[must_use]
    pub fn lost_since(&self, moment: Instant) -> usize {
        let later = (0..).zip(&self.sent).filter(|(_, sent)| **sent >= moment);
        later.filter(|(number, _)| !self.replies.contains_key(number)).count()
    }

    /// Number of replies by server.
    #[must_use]
    pub fn servers(&self) -> Tally {
        self.replies.values().map(|(_, server)| server.as_str()).collect()
    }

    /// The server that replied to the datagram with the highest number.
    #[must_use]
    pub fn latest(&self) -> Option<&str> {
        self.replies.values().next_back().map(|(_, server)| server.as_str())
    }

    /// Longest time between two successive replies.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let mut times: Vec<Instant> = self.replies.values().map(|(time, _)| *time).collect();
        times.sort();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    fn record(&mut self, reply: &[u8]) {
        let reply = String::from_utf8_lossy(reply);
        let Some((server, number)) = reply.split_once(' ') else { return };
        let Ok(number) = number.parse() else { return };
        self.replies.entry(number).or_insert_with(|| (Instant::now(), server.to_owned()));
    }
}

async fn send(socket: UdpSocket, every: Duration, delivery: &Mutex<Delivery>, mut stopped: oneshot::Receiver<()>) {
    let socket = tokio::net::UdpSocket::from_std(socket).expect("a socket");
    let mut buffer = [0; 64];
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            received = socket.recv(&mut buffer) => {
                // An error reports that a server does not listen; the datagram is lost.
                if let Ok(length) = received { read(delivery, |delivery| delivery.record(&buffer[..length])) }
            }
            _ = ticks.tick() => {
                let number = read(delivery, |delivery| { delivery.sent.push(Instant::now()); delivery.sent.len() - 1 });
                // As above.
                let _ = socket.send(number.to_string().as_bytes()).await;
            }
        }
    }
    let late = async {
        while read(delivery, |delivery| delivery.lost() > 0) {
            if let Ok(length) = socket.recv(&mut buffer).await {
                read(delivery, |delivery| delivery.record(&buffer[..length]));
            }
        }
    };
    // Later replies count as lost.
    let _ = timeout(GRACE, late).await;
}

fn read<T>(delivery: &Mutex<Delivery>, with: impl FnOnce(&mut Delivery) -> T) -> T {
    with(&mut delivery.lock().unwrap_or_else(PoisonError::into_inner))
}
