//! Redirects during a flood of forged reports.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use weir_protocol::{EdgeId, Secret, Sender};

use crate::outcome::Outcome;
use crate::reports::load;
use crate::reports::socket::{Balancer, connected};

/// Edges of the balancer.
const EDGES: u32 = 1000;
/// Forged reports per second.
const FLOOD: u64 = 100_000;
/// The duration of each measurement, and the number of measurements with and without the flood, in turn.
const PERIOD: Duration = Duration::from_millis(1500);
const TURNS: usize = 5;

/// Measures redirects per second with and without the flood, in turn, so that a drift of the machine's speed affects
/// both.
pub(super) fn measure(bound: f64) -> Vec<Outcome> {
    let balancer = Balancer::start(false);
    let _senders = balancer.register(EDGES);
    let (mut calm, mut flooded, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        calm.push(redirects_per_second(balancer.clients()));
        let flood = Flood::start(balancer.reports());
        flooded.push(redirects_per_second(balancer.clients()));
        rates.push(flood.stop());
    }
    let ratios = calm.iter().zip(&flooded).map(|(calm, flooded)| flooded / calm).collect();
    vec![
        Outcome::higher("redirects", median(calm), "redirects/s", None),
        Outcome::higher("redirects under the flood", median(flooded), "redirects/s", None),
        Outcome::higher("forged reports", median(rates), "reports/s", None),
        Outcome::higher("redirects: with the flood ÷ without", median(ratios), "ratio", Some(bound)),
    ]
}

/// Requests an edge repeatedly, each time on a new connection.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn redirects_per_second(clients: SocketAddr) -> f64 {
    let start = Instant::now();
    let mut answered = 0_u64;
    while start.elapsed() < PERIOD {
        answered += u64::from(request(clients).is_ok());
    }
    answered as f64 / start.elapsed().as_secs_f64()
}

fn request(clients: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(clients)?;
    stream.write_all(b"GET /loadbalancer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 512];
    let length = stream.read(&mut answer)?;
    let is_redirect = answer[..length].windows(9).any(|window| window == b"redirect=");
    if is_redirect { Ok(()) } else { Err(std::io::ErrorKind::InvalidData.into()) }
}

/// A thread that sends forged reports at [`FLOOD`] per second.
struct Flood {
    ended: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    start: Instant,
    handle: JoinHandle<()>,
}

impl Flood {
    fn start(reports: SocketAddr) -> Self {
        let (ended, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (end, count) = (Arc::clone(&ended), Arc::clone(&sent));
        let start = Instant::now();
        let handle = thread::spawn(move || {
            let socket = connected(reports);
            let mut forged = forged_report();
            let mut number = 0_u64;
            while !end.load(Ordering::Relaxed) {
                // Sends as many as are due, and pauses: a flood that used a whole core would measure something else.
                let due = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX) * FLOOD / 1_000_000;
                while number < due {
                    number += 1;
                    // Another salt each time, so that a key would have to be derived.
                    forged[28..36].copy_from_slice(&number.to_be_bytes());
                    let _ = socket.send(&forged);
                }
                count.store(number, Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(1));
            }
        });
        Self { ended, sent, start, handle }
    }

    /// Ends the flood. Returns the reports per second.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn stop(self) -> f64 {
        self.ended.store(true, Ordering::Relaxed);
        let elapsed = self.start.elapsed();
        let _ = self.handle.join();
        self.sent.load(Ordering::Relaxed) as f64 / elapsed.as_secs_f64()
    }
}

/// Returns a report that is correct except for the signature, made with another secret under the id of the real one.
fn forged_report() -> Vec<u8> {
    let edge = EdgeId([3; 16]);
    let mut sender = Sender::new(Secret::from_random([1; 32]).edge_key(edge), edge, [0; 16]);
    let mut forged = sender.seal(&load::report(1_000_000)).map(<[u8]>::to_vec).unwrap_or_default();
    forged[8..12].copy_from_slice(&load::secret().id().0);
    forged
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
