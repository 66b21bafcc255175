//! The probe `system`: figures of the kernel, for any media server: connections on given ports, interface rates, CPU.
//!
//! | module        | contents                                          |
//! |---------------|---------------------------------------------------|
//! | [`sock_diag`] | established TCP connections, over netlink         |
//! | [`proc`]      | `/proc/net/dev` and `/proc/stat`                  |
//! | [`rates`]     | rates and CPU utilisation, computed from those    |

pub mod proc;
mod rates;
pub mod sock_diag;

use std::time::Instant;

use super::{Accepted, BoxError, Kind, Options, Probe, ReadFuture};
use crate::accepted::Tally;
use rates::{Rates, Sample};

/// `--probe system`.
pub static KIND: Kind = Kind {
    name: "system",
    argument: None,
    help: "the kernel: TCP connections on the edge's ports, interface rates, CPU",
    create: |_, Options { ports, interface }| Ok(Box::new(System::new(ports.clone(), interface.clone())?)),
};

const INTERFACES: &str = "/proc/net/dev";

/// A probe of the kernel.
#[derive(Debug)]
pub struct System {
    /// Local ports whose connections are counted; without any, the connections are unknown.
    ports: Vec<u16>,
    /// The interface whose rates are reported; all but the loopback when `None`.
    interface: Option<String>,
    /// The origin of time.
    started: Instant,
    rates: Rates,
    tally: Tally,
}

impl System {
    /// Creates a probe that counts connections on `ports`, and reports the rates of `interface`, or of all interfaces but
    /// the loopback.
    ///
    /// # Errors
    /// One line that says that the interface does not exist, or that `/proc` cannot be read.
    pub fn new(ports: Vec<u16>, interface: Option<String>) -> Result<Self, String> {
        let interfaces = std::fs::read_to_string(INTERFACES).map_err(|error| format!("{INTERFACES}: {error}"))?;
        if let Some(name) = interface.as_deref().filter(|name| proc::bytes_of(&interfaces, name).is_none()) {
            return Err(format!("interface {name} does not exist; `ip link` lists the interfaces"));
        }
        Ok(Self { ports, interface, started: Instant::now(), rates: Rates::default(), tally: Tally::default() })
    }

    /// Reads the counters of interfaces and processors.
    fn sample(&self) -> Result<Sample, BoxError> {
        let at = self.started.elapsed();
        let interfaces = std::fs::read_to_string(INTERFACES)?;
        // An interface that has been removed leaves its rates unknown; connections are counted nevertheless.
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

    fn read(&mut self) -> ReadFuture<'_> {
        Box::pin(async {
            let sample = self.sample()?;
            let mut reading = self.rates.observe(sample);
            if !self.ports.is_empty() {
                let ports = self.ports.clone();
                // The call blocks while the kernel walks its tables.
                let established = tokio::task::spawn_blocking(move || sock_diag::established(&ports)).await??;
                reading.connections = Some(established.count);
                let total = self.tally.observe(established.count, established.cookies, self.started.elapsed());
                // Connections that are opened and closed between two samples are missed.
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
    async fn only_connections_on_the_given_ports_are_counted() {
        let [counted, also_counted, not_counted] =
            ["0.0.0.0:0", "[::]:0", "0.0.0.0:0"].map(|address| TcpListener::bind(address).unwrap());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        // On every address, so that no other program gets the same port.
        let connect = |listener: &TcpListener| {
            let host = if listener.local_addr().unwrap().is_ipv4() { "127.0.0.1" } else { "::1" };
            let client = TcpStream::connect((host, port(listener))).unwrap();
            (client, listener.accept().unwrap())
        };
        let mut system = System::new(vec![port(&counted), port(&also_counted)], None).unwrap();
        assert_eq!(system.read().await.unwrap().connections, Some(0));
        let first = connect(&counted);
        let _others = [connect(&also_counted), connect(&also_counted), connect(&not_counted)];
        assert_eq!(system.read().await.unwrap().connections, Some(3));
        drop(first);
        assert_eq!(system.read().await.unwrap().connections, Some(2));
    }

    #[tokio::test]
    async fn a_connection_that_replaces_another_counts_as_accepted() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connect = || (TcpStream::connect(("127.0.0.1", port)).unwrap(), listener.accept().unwrap());
        let mut system = System::new(vec![port], None).unwrap();
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
    fn a_missing_interface_is_named_in_the_error() {
        let error = System::new(Vec::new(), Some("eth99".to_owned())).unwrap_err();
        assert_eq!(error, "interface eth99 does not exist; `ip link` lists the interfaces");
    }
}
