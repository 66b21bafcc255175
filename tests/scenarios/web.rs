//! HTTP and HTTPS with one mark, with the files of the example, taken over from services that were configured with
//! `ipvsadm`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use weir_tests::kernel::application::{Application, Protocol};
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::connection::Connection;
use weir_tests::kernel::history::History;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::network::Network;
use weir_tests::kernel::tally::Tally;
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

const CONFIGURATION: &str = include_str!("../../examples/redhat-lvs-multi-port/weir.toml");
const SERVER_COMMANDS: &str = include_str!("../../examples/redhat-lvs-multi-port/server-commands");

/// Mark in the example.
const MARK: u32 = 80;

/// The services before: that of the example, with other weights, and one that Weir does not own.
const IPVSADM: [&str; 6] = [
    "--add-service --fwmark-service 80 --scheduler wlc --persistent 300",
    "--add-server --fwmark-service 80 --real-server 10.0.0.2 --masquerading --weight 60",
    "--add-server --fwmark-service 80 --real-server 10.0.0.3 --masquerading --weight 60",
    "--add-service --fwmark-service 81 --scheduler rr",
    "--add-server --fwmark-service 81 --real-server 10.0.0.2 --masquerading --weight 3",
    "--add-server --fwmark-service 81 --real-server 10.0.0.3 --masquerading --weight 0",
];
const NFT: &str = "
    table ip web {
        chain marks {
            type filter hook prerouting priority mangle
            ip daddr 192.0.2.10 tcp dport { 80, 443 } meta mark set 80
        }
    }
    table ip other {
        chain marks {
            type filter hook prerouting priority mangle
            ip daddr 192.0.2.10 tcp dport 8080 meta mark set 81
        }
    }
";

/// Number of connections of each client to each port.
const ROUNDS: usize = 3;

pub(crate) fn run() -> String {
    let (outside, inside) = (Network::new("outside"), Network::new("inside"));
    let director = Host::new("director");
    outside.join(&director, "eth0", &["192.0.2.10/24".to_owned()]);
    inside.join(&director, "eth1", &["10.0.0.1/24".to_owned()]);
    let servers = [2, 3].map(|number| Host::new(&format!("server{number}")));
    let _applications = [2, 3].map(|number: u8| {
        let host = &servers[usize::from(number) - 2];
        inside.join(host, "eth0", &[format!("10.0.0.{number}/24")]);
        SERVER_COMMANDS.lines().filter(|line| !line.starts_with('#')).for_each(|line| drop(host.call(line)));
        let own = Ipv4Addr::new(10, 0, 0, number).into();
        Application::with_protocol(Protocol::Http, host, &[80, 443, 8080].map(|port| SocketAddr::new(own, port)))
    });
    let clients = [101, 102, 103, 104].map(|number| {
        let client = Host::new(&format!("client{number}"));
        outside.join(&client, "eth0", &[format!("192.0.2.{number}/24")]);
        client
    });
    director.set_sysctl("net/ipv4/ip_forward", "1");
    IPVSADM.iter().for_each(|line| drop(director.call(&format!("ipvsadm {line}"))));
    let marks = director.write("marks.nft", NFT);
    director.call(&format!("nft --file {}", marks.display()));
    let foreign = foreign(&director);

    let before = clients.each_ref().map(query);
    let shared: Tally = before.iter().map(String::as_str).collect();
    assert_eq!(shared.servers().count(), 2, "both servers have clients: {shared}");
    let [first, second, ..] = &clients;
    let mut held = [80, 443].map(|port| first.run(|| Connection::http(at(port))).expect("a connection"));
    let arrivals = [first, second].map(|client| Arrivals::with(client, both));
    let history = History::start(&director);

    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start(&director, &configuration);
    let address = |last| Ipv4Addr::new(10, 0, 0, last).into();
    wait::until("Weir has taken over", PATIENCE, || {
        let weights = director.ipvs().weights(address(2));
        weights.contains(&100) && weights.contains(&3)
    });
    balancer.await_kernel();
    director.call("nft delete table ip web");
    let after = clients.each_ref().map(query);
    assert_eq!(after, before, "each client keeps its server");
    held.iter_mut().for_each(|connection| connection.exchange().expect("the connection survives"));
    let changes = balancer.metrics().sum("weir_kernel_changes_total", &[]);
    assert_eq!(changes, 3.0, "only two weights and the marks are changed");
    let moments = history.finish();
    assert!(moments.iter().all(|moment| moment.weights.is_live(MARK)), "there is always a live server: {moments:?}");
    let mut arrived = 0;
    for (arrivals, server) in arrivals.into_iter().zip(&before) {
        let all = arrivals.finish();
        let is_served = all.failures.is_empty() && all.served.of(server) == all.served.total();
        assert!(is_served, "a client of {server}: {all:?}");
        arrived += all.served.total();
    }

    assert_eq!(self::foreign(&director), foreign, "the other service is not changed");
    let other = first.run(|| Connection::http(at(8080))).expect("a connection to the other service");
    assert_eq!(other.server(), "server2");
    format!(
        "{shared} of {} clients, each with one server on both ports before and after; taken over with {changes} changes, \
         while {arrived} clients used both ports without a failure",
        clients.len()
    )
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10], port))
}

/// The server of this client, which must be the same on both ports and each time.
fn query(client: &Host) -> String {
    let servers: io::Result<Vec<String>> = client.run(|| (0..ROUNDS).map(|_| both()).collect());
    let servers = servers.unwrap_or_else(|error| panic!("{}: {error}", client.name()));
    assert!(servers.windows(2).all(|pair| pair[0] == pair[1]), "{}: {servers:?}", client.name());
    servers[0].clone()
}

/// The server on both ports.
fn both() -> io::Result<String> {
    let server = |port| Connection::http(at(port)).map(|connection| connection.server().to_owned());
    let (http, https) = (server(80)?, server(443)?);
    if http == https { Ok(http) } else { Err(io::Error::other(format!("{http} on port 80, {https} on port 443"))) }
}

/// The output of `ipvsadm` for the service that Weir does not own.
fn foreign(director: &Host) -> Vec<String> {
    let lines = director.call("ipvsadm --save --numeric");
    let mut foreign: Vec<_> = lines.lines().filter(|line| line.contains("-f 81 ")).map(str::to_owned).collect();
    foreign.sort();
    assert_eq!(foreign.len(), 3, "{lines}");
    foreign
}
