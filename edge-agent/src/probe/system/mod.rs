//! What the kernel knows, for every media server: connections on given ports, interface rates, CPU.
//!
//! | module        | what it reads                                     |
//! |---------------|---------------------------------------------------|
//! | [`sock_diag`] | established TCP connections, over netlink         |
//! | [`proc`]      | `/proc/net/dev` and `/proc/stat`                  |
//! | [`rates`]     | (what is computed from these)                     |

pub mod proc;
mod rates;
pub mod sock_diag;

use std::time::Instant;

use super::{Accepted, Failure, Outcome, Probe};
use crate::accepted::Tally;
use rates::{Rates, Sample};

const INTERFACES: &str = "/proc/net/dev";

/// Asks the kernel.
#[derive(Debug)]
pub struct System {
    /// Local ports whose connections are counted; none leaves the connections unknown.
    ports: Vec<u16>,
    /// The interface whose rates are reported; all but the loopback when `None`.
    interface: Option<String>,
    /// When this began; what time is counted from.
    began: Instant,
    rates: Rates,
    tally: Tally,
}

impl System {
    /// A probe that counts connections on `ports`, and reports the rates of `interface`, or of all but the loopback.
    ///
    /// # Errors
    /// One line, when there is no such interface, or `/proc` cannot be read.
    pub fn new(ports: Vec<u16>, interface: Option<String>) -> Result<Self, String> {
        let interfaces = std::fs::read_to_string(INTERFACES).map_err(|error| format!("{INTERFACES}: {error}"))?;
        if let Some(name) = interface.as_deref().filter(|name| proc::bytes_of(&interfaces, name).is_none()) {
            return Err(format!("{INTERFACES} has no interface {name}; `ip link` shows which there are"));
        }
        Ok(Self { ports, interface, began: Instant::now(), rates: Rates::default(), tally: Tally::default() })
    }

    /// What is counted now.
    fn sample(&self) -> Result<Sample, Failure> {
        let at = self.began.elapsed();
        let interfaces = std::fs::read_to_string(INTERFACES)?;
        // An interface that has gone leaves its rates unknown; the connections can be counted all the same.
        let bytes = match &self.interface {
            Some(name) => proc::bytes_of(&interfaces, name),
            None => Some(proc::bytes_of_all(&interfaces)),
        };
        let ticks = proc::ticks(&std::fs::read_to_string("/proc/stat")?).ok_or("/proc/stat has no line `cpu`")?;
        Ok(Sample { at, bytes, ticks })
    }
}

impl Probe for System {
    fn name(&self) -> String {
        "system".to_owned()
    }

    fn read(&mut self) -> Outcome<'_> {
        Box::pin(async {
            let sample = self.sample()?;
            let mut reading = self.rates.observe(sample);
            if !self.ports.is_empty() {
                let ports = self.ports.clone();
                // The dump blocks for as long as the kernel walks its tables.
                let established = tokio::task::spawn_blocking(move || sock_diag::established(&ports)).await??;
                reading.connections = Some(established.count);
                let total = self.tally.observe(established.count, established.cookies, self.began.elapsed());
                // Those that come and go between two looks are missed.
                reading.accepted = Some(Accepted { total, is_estimate: true });
            }
            Ok(reading)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[tokio::test]
    async fn connections_on_the_given_ports_are_counted_and_no_others() {
        let [counted, also_counted, not_counted] =
            ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"].map(|address| TcpListener::bind(address).unwrap());
        let connect = |listener: &TcpListener| {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap())
        };
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let mut system = System::new(vec![port(&counted), port(&also_counted)], None).unwrap();
        assert_eq!(system.read().await.unwrap().connections, Some(0));
        let first = connect(&counted);
        let _others = [connect(&also_counted), connect(&also_counted), connect(&not_counted)];
        assert_eq!(system.read().await.unwrap().connections, Some(3));
        drop(first);
        assert_eq!(system.read().await.unwrap().connections, Some(2));
    }

    #[tokio::test]
    async fn a_connection_that_takes_the_place_of_another_is_one_more_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || (TcpStream::connect(address).unwrap(), listener.accept().unwrap());
        let mut system = System::new(vec![address.port()], None).unwrap();
        let mut connections = vec![connect(), connect()];
        for total in 2..10 {
            let reading = system.read().await.unwrap();
            assert_eq!(reading.connections, Some(2));
            assert_eq!(reading.accepted, Some(Accepted { total, is_estimate: true }));
            connections.remove(0);
            connections.push(connect());
        }
    }

    #[test]
    fn the_bytes_of_the_interface_are_counted() {
        let bytes = || System::new(Vec::new(), Some("lo".to_owned())).unwrap().sample().unwrap().bytes.unwrap();
        let before = bytes();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&[0; 1000], socket.local_addr().unwrap()).unwrap();
        assert!(bytes().sent >= before.sent + 1000);
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        let error = System::new(Vec::new(), Some("eth99".to_owned())).unwrap_err();
        assert_eq!(error, "/proc/net/dev has no interface eth99; `ip link` shows which there are");
    }
}
