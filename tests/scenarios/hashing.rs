//! Schedulers that hash clients send those of a drained server to another one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use weir_balancer::Config;
use weir_kernel::Settings;
use weir_kernel::desired;
use weir_kernel::kernel::Kernel;
use weir_kernel::model::Server;
use weir_kernel::plan::{Desired, plan};
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, Site, VIRTUAL};
use weir_tests::kernel::tally::Tally;
use weir_tests::kernel::visitor::PATIENCE;

/// The addresses of the clients end in these numbers: by its address a client gets its server.
const CLIENTS: std::ops::Range<u8> = 150..200;

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    for client in clients() {
        site.client.call(&format!("ip address add {client}/24 dev eth0"));
    }
    let drained = Server::at(site.servers[0].addresses[0]);
    let mut kernel = director.run(|| Kernel::open().expect("IPVS is loaded"));
    let mut shares = Vec::new();
    for scheduler in ["mh", "sh"] {
        let settings = configuration(&site, scheduler);
        let mut desired = Desired {
            table: settings.groups.iter().flat_map(desired::at_first).collect(),
            marks: settings.packet_marks.clone(),
            ..Desired::default()
        };
        reach(&mut kernel, &settings, &desired);
        let all = ask_all(&site);
        assert_eq!(all.servers().count(), 2, "{scheduler}: both serve: {all}");
        let servers = desired.table.values_mut().flat_map(|service| &mut service.destinations);
        servers.filter(|(server, _)| **server == drained).for_each(|(_, destination)| destination.weight = 0);
        reach(&mut kernel, &settings, &desired);
        let rest = ask_all(&site);
        assert_eq!(rest.servers().collect::<Vec<_>>(), ["server2"], "{scheduler}: {rest}");
        shares.push(format!("{scheduler}: {all}, and with one drained {rest}"));
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
    config.kernel.expect("it has a service")
}

fn reach(kernel: &mut Kernel, settings: &Settings, desired: &Desired) {
    let owned = &settings.owned;
    let actual = kernel.read(owned).expect("it can be read").actual();
    for change in plan(desired, &actual, owned).expect("all is Weir's") {
        kernel.make(&change).unwrap_or_else(|error| panic!("{change}: {error}"));
    }
}

/// Who answers each of the clients.
fn ask_all(site: &Site) -> Tally {
    let to = SocketAddr::new(VIRTUAL[0], RTP);
    let ask = |client| ask(site, client, to).unwrap_or_else(|error| panic!("{client} is not answered: {error}"));
    clients().map(ask).collect()
}

fn ask(site: &Site, client: IpAddr, to: SocketAddr) -> io::Result<String> {
    let socket = site.client.run(|| UdpSocket::bind((client, 0)))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(to)?;
    socket.send(b"?")?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer)?;
    let answer = String::from_utf8_lossy(&buffer[..length]);
    Ok(answer.split(' ').next().unwrap_or_default().to_owned())
}
