//! A client over UDP: numbered datagrams from one port at a steady pace, as a media stream has.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::host::Host;
use super::tally::Tally;
use super::visitor::unspecified;
use crate::wait;

/// How long answers are awaited once the last datagram is sent.
const LATE: Duration = Duration::from_secs(1);

/// A flow to an [`Application`](super::application::Application).
#[derive(Debug)]
pub struct Flow {
    delivery: Arc<Mutex<Delivery>>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// What became of the datagrams.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// When each was sent; their numbers start at 0.
    sent: Vec<Instant>,
    /// When each was answered, and by whom.
    answers: BTreeMap<usize, (Instant, String)>,
}

impl Flow {
    /// Starts to send, one datagram after each interval.
    ///
    /// # Panics
    /// When there is no way to the address.
    #[must_use]
    pub fn start(client: &Host, to: SocketAddr, every: Duration) -> Self {
        let socket = client.run(|| UdpSocket::bind((unspecified(to), 0))).expect("a free port");
        socket.connect(to).expect("a way to the address");
        socket.set_nonblocking(true).expect("a socket");
        let delivery = Arc::new(Mutex::new(Delivery::default()));
        let (stop, stopped) = oneshot::channel();
        let kept = Arc::clone(&delivery);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(send(socket, every, &kept, stopped));
        });
        Self { delivery, stop, thread }
    }

    /// What became of the datagrams so far: some answers may be on their way.
    #[must_use]
    pub fn so_far(&self) -> Delivery {
        read(&self.delivery, |delivery| delivery.clone())
    }

    /// Waits until `enough` has come, and returns what has.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn until(&self, what: &str, enough: impl Fn(&Delivery) -> bool) -> Delivery {
        wait::eventually(what, wait::PATIENCE, || {
            let delivery = self.so_far();
            if enough(&delivery) { Ok(delivery) } else { Err(format!("{} of {}", delivery.servers(), delivery.sent())) }
        })
    }

    /// Sends no more, waits for the last answers, and returns what became of all.
    ///
    /// # Panics
    /// When the flow has failed.
    #[must_use]
    pub fn finish(self) -> Delivery {
        drop(self.stop);
        self.thread.join().expect("the flow runs to its end");
        read(&self.delivery, |delivery| delivery.clone())
    }
}

impl Delivery {
    /// How many were sent.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent.len()
    }

    /// How many had no answer.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.sent.len() - self.answers.len()
    }

    /// How many had no answer of those that were sent from that moment on.
    #[must_use]
    pub fn lost_since(&self, moment: Instant) -> usize {
        let later = (0..).zip(&self.sent).filter(|(_, sent)| **sent >= moment);
        later.filter(|(number, _)| !self.answers.contains_key(number)).count()
    }

    /// How many each server answered.
    #[must_use]
    pub fn servers(&self) -> Tally {
        self.answers.values().map(|(_, server)| server.as_str()).collect()
    }

    /// The server that answered the highest number.
    #[must_use]
    pub fn latest(&self) -> Option<&str> {
        self.answers.values().next_back().map(|(_, server)| server.as_str())
    }

    /// The longest time without an answer, between the first and the last one.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let mut times: Vec<Instant> = self.answers.values().map(|(time, _)| *time).collect();
        times.sort();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    fn note(&mut self, answer: &[u8]) {
        let answer = String::from_utf8_lossy(answer);
        let Some((server, number)) = answer.split_once(' ') else { return };
        let Ok(number) = number.parse() else { return };
        self.answers.entry(number).or_insert_with(|| (Instant::now(), server.to_owned()));
    }
}

async fn send(socket: UdpSocket, every: Duration, delivery: &Mutex<Delivery>, mut stopped: oneshot::Receiver<()>) {
    let socket = tokio::net::UdpSocket::from_std(socket).expect("a socket");
    let mut buffer = [0; 64];
    let mut pace = interval(every);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            received = socket.recv(&mut buffer) => {
                // An error says that a server does not listen, and the datagram is lost.
                if let Ok(length) = received { read(delivery, |delivery| delivery.note(&buffer[..length])) }
            }
            _ = pace.tick() => {
                let number = read(delivery, |delivery| { delivery.sent.push(Instant::now()); delivery.sent.len() - 1 });
                // So does this one.
                let _ = socket.send(number.to_string().as_bytes()).await;
            }
        }
    }
    let late = async {
        while read(delivery, |delivery| delivery.lost() > 0) {
            if let Ok(length) = socket.recv(&mut buffer).await {
                read(delivery, |delivery| delivery.note(&buffer[..length]));
            }
        }
    };
    // What has not come by now is lost.
    let _ = timeout(LATE, late).await;
}

fn read<T>(delivery: &Mutex<Delivery>, with: impl FnOnce(&mut Delivery) -> T) -> T {
    with(&mut delivery.lock().unwrap_or_else(PoisonError::into_inner))
}
