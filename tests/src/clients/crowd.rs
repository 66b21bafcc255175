//! Thousands of HTTP clients in this process, each with its own connections and loopback address.
//!
//! Each client requests a redirect from a balancer, follows it, gets a response from the edge, and keeps the connection
//! for a while, as a player does, but without media. It uses no HTTP library, whose pool, retries or cache could
//! distort results.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use weir_bench::selection::Visit;
use weir_fleet::Time;

use crate::http;
use crate::loopback;
use crate::wait::PATIENCE;

/// The requested path.
const PATH: &str = "/live/stream";
/// Maximum length of the body of a redirect.
const BODY_LIMIT: u64 = 64 * 1024;

/// A running crowd. Clients disconnect when it is dropped.
#[derive(Debug)]
pub struct Crowd {
    tally: watch::Receiver<Tally>,
    _arrivals: JoinSet<()>,
}

/// Results of the clients that have arrived or failed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Clients that were redirected and got a response from the edge.
    pub served: u32,
    /// Clients that failed, by reason.
    pub failed: BTreeMap<String, u32>,
    /// Maximum delay of a client's start: a sign that this machine was overloaded.
    pub latest: Duration,
}

impl Crowd {
    /// Starts the clients of these visits. Must be called on a tokio runtime.
    #[must_use]
    pub fn set_off(visits: impl Iterator<Item = Visit> + Send + 'static, balancers: &[SocketAddr]) -> Self {
        let (publish, tally) = watch::channel(Tally::default());
        let mut arrivals = JoinSet::new();
        arrivals.spawn(send(visits, balancers.to_owned(), Arc::new(publish)));
        Self { tally, _arrivals: arrivals }
    }

    /// The results so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }
}

impl Tally {
    /// Clients that have arrived or failed.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.served + self.failed.values().sum::<u32>()
    }

    fn add(&mut self, arrived: Result<(), String>, late: Duration) {
        self.latest = self.latest.max(late);
        match arrived {
            Ok(()) => self.served += 1,
            Err(reason) => *self.failed.entry(reason).or_default() += 1,
        }
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} clients served, started at most {:?} late", self.served, self.latest)?;
        self.failed.iter().try_for_each(|(reason, count)| writeln!(f, "{count} clients failed: {reason}"))
    }
}

async fn send(visits: impl Iterator<Item = Visit>, balancers: Vec<SocketAddr>, tally: Arc<watch::Sender<Tally>>) {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for visit in visits {
        let due = start + (visit.at - Time::ORIGIN);
        sleep_until(due).await;
        clients.spawn(come_and_stay(visit, balancers[visit.balancer], due.elapsed(), Arc::clone(&tally)));
        // Removes clients that have finished.
        while clients.try_join_next().is_some() {}
    }
    while clients.join_next().await.is_some() {}
}

async fn come_and_stay(visit: Visit, balancer: SocketAddr, late: Duration, tally: Arc<watch::Sender<Tally>>) {
    let own = loopback::address();
    let arrived = arrive(own, balancer, visit.travel.unwrap_or_default()).await;
    let (connection, outcome) = match arrived {
        Ok(connection) => (Some(connection), Ok(())),
        Err(reason) => (None, Err(reason)),
    };
    tally.send_modify(|tally| tally.add(outcome, late));
    if let Some(connection) = connection {
        sleep(visit.stay).await;
        drop(connection);
    }
}

async fn arrive(own: Ipv4Addr, balancer: SocketAddr, travel: Duration) -> Result<TcpStream, String> {
    let edge = within("the balancer", request_redirect(own, balancer)).await?;
    sleep(travel).await;
    within("the edge", fetch(own, edge)).await
}

/// Limits the time of an exchange. Errors name the peer's role but not its address, so that equal ones are counted
/// together.
async fn within<T>(peer: &str, exchange: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match timeout(PATIENCE, exchange).await {
        Ok(outcome) => outcome.map_err(|error| format!("{peer}: {error}")),
        Err(_) => Err(format!("{peer}: no response within {PATIENCE:?}")),
    }
}

/// Requests a redirect from a balancer.
async fn request_redirect(own: Ipv4Addr, balancer: SocketAddr) -> io::Result<SocketAddr> {
    let mut stream = connect(own, balancer).await?;
    let head = request(&mut stream, balancer, &format!("/redirect{PATH}"), "Connection: close\r\n").await?;
    // Up to the end of the connection, as a browser does after `Connection: close`.
    let _ = stream.take(BODY_LIMIT).read_to_end(&mut Vec::new()).await?;
    location(&head).ok_or_else(|| io::Error::other(format!("no redirect to an edge: {}", first_line(&head))))
}

/// Fetches the path from an edge; returns the connection.
async fn fetch(own: Ipv4Addr, edge: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = connect(own, edge).await?;
    let head = request(&mut stream, edge, PATH, "").await?;
    if head.starts_with("HTTP/1.1 200 ") {
        Ok(stream)
    } else {
        Err(io::Error::other(format!("not served: {}", first_line(&head))))
    }
}

/// Connects from the client's own address: the kernel has 28,000 ports per address, and those of closed connections
/// stay in use for a while (TIME_WAIT).
async fn connect(own: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((IpAddr::V4(own), 0).into())?;
    socket.connect(to).await
}

async fn request(stream: &mut TcpStream, host: SocketAddr, target: &str, headers: &str) -> io::Result<String> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    http::read_head(stream).await
}

/// The server that a redirect leads to, if it keeps the requested path.
fn location(head: &str) -> Option<SocketAddr> {
    let mut lines = head.strip_prefix("HTTP/1.1 302 ")?.lines().skip(1);
    let url = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then_some(value)
    })?;
    url.strip_prefix("http://")?.strip_suffix(PATH)?.parse().ok()
}

fn first_line(head: &str) -> &str {
    head.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_redirect_to_the_requested_path_is_followed() {
        let edge = "127.1.2.3:80".parse().ok();
        let head = |first: &str, url: &str| format!("HTTP/1.1 {first}\r\nA: b\r\nlocation: {url}\r\n\r\n");
        assert_eq!(location(&head("302 Found", "http://127.1.2.3:80/live/stream")), edge);
        assert_eq!(location(&head("302 Found", "http://127.1.2.3:80/other")), None);
        assert_eq!(location(&head("302 Found", "rtmp://127.1.2.3:80/live/stream")), None);
        assert_eq!(location(&head("200 OK", "http://127.1.2.3:80/live/stream")), None);
        assert_eq!(location("HTTP/1.1 302 Found\r\n\r\n"), None);
    }

    #[test]
    fn failures_are_counted_by_reason() {
        let mut tally = Tally::default();
        tally.add(Ok(()), Duration::from_millis(2));
        for reason in ["the edge: gone", "the edge: gone", "the balancer: gone"] {
            tally.add(Err(reason.to_owned()), Duration::ZERO);
        }
        assert_eq!(tally.total(), 4);
        assert_eq!(
            tally.to_string(),
            "1 clients served, started at most 2ms late\n1 clients failed: the balancer: gone\n\
             2 clients failed: the edge: gone\n"
        );
    }
}
