//! Hashing schedulers send the clients of a drained server to another one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use weir_balancer::Config;
use weir_kernel::Settings;
use weir_kernel::desired;
use weir_kernel::kernel::Kernel;
use weir_kernel::model::{Server, Table};
use weir_kernel::plan::{Desired, plan};
use weir_tests::kernel::connection::PATIENCE;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, Site, VIRTUAL};
use weir_tests::kernel::tally::Tally;

/// Last numbers of the clients' addresses, which the schedulers hash.
const CLIENTS: std::ops::Range<u8> = 150..200;

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    for client in clients() {
        site.client.call(&format!("ip address add {client}/24 dev eth0"));
    }
    let drained = Server::at(site.servers[0].addresses[0]);
    let mut kernel = director.run(|| Kernel::open().expect("IPVS is loaded"));
    let mut shares = Vec::new();
    for scheduler in ["mh", "sh"] {
        let settings = configuration(&site, scheduler);
        let mut table: Table = settings.services.iter().flat_map(desired::initial_table).collect();
        apply(&mut kernel, &settings, &table);
        let all = query_all(&site);
        assert_eq!(all.servers().count(), 2, "{scheduler}: both servers have clients: {all}");
        let servers = table.values_mut().flat_map(|service| &mut service.destinations);
        servers.filter(|(server, _)| **server == drained).for_each(|(_, destination)| destination.weight = 0);
        apply(&mut kernel, &settings, &table);
        let rest = query_all(&site);
        assert_eq!(rest.servers().collect::<Vec<_>>(), ["server2"], "{scheduler}: {rest}");
        shares.push(format!("{scheduler}: {all}; with one drained: {rest}"));
    }
    shares.join("; ")
}

fn clients() -> impl Iterator<Item = IpAddr> {
    CLIENTS.map(|host| Ipv4Addr::new(192, 0, 2, host).into())
}

fn configuration(site: &Site, scheduler: &str) -> Settings {
    let servers = site.servers.iter().map(|server| format!("{{ address = \"{}\" }}", server.addresses[0]));
    let servers = servers.collect::<Vec<_>>().join(", ");
    let text = format!(
        "[[kernel.service]]\nname = \"media\"\naddresses = [\"{}\"]\nudp = [\"{RTP}\"]\nscheduler = \"{scheduler}\"\n\
         server = [{servers}]\n",
        VIRTUAL[0]
    );
    let config = Config::parse(&text, Path::new("weir.toml")).expect("a configuration");
    config.kernel.expect("a service")
}

fn apply(kernel: &mut Kernel, settings: &Settings, table: &Table) {
    let desired = Desired::new(settings.owned.clone(), table.clone(), settings.packet_marks.clone());
    let actual = kernel.read(&settings.owned).expect("kernel state").actual();
    for change in plan(&desired.expect("owned services"), &actual) {
        kernel.execute(&change).unwrap_or_else(|error| panic!("{change}: {error}"));
    }
}

/// The servers that reply to the clients.
fn query_all(site: &Site) -> Tally {
    let to = SocketAddr::new(VIRTUAL[0], RTP);
    let query = |client| query(site, client, to).unwrap_or_else(|error| panic!("no reply to {client}: {error}"));
    clients().map(query).collect()
}

fn query(site: &Site, client: IpAddr, to: SocketAddr) -> io::Result<String> {
    let socket = site.client.run(|| UdpSocket::bind((client, 0)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(b"?")?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer)?;
    let reply = String::from_utf8_lossy(&buffer[..length]);
    Ok(reply.split(' ').next().unwrap_or_default().to_owned())
}
