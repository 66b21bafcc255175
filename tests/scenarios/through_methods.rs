//! Checks through the virtual address with NAT, where servers do not have it, and with tunnels.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use weir_tests::kernel::connection::open_connections;
use weir_tests::kernel::role::{GUE, Method, host_prefix};
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

/// Mark of the service.
const MEDIA: u32 = 1;

pub(crate) fn run() -> String {
    let methods = [
        (Method::Nat, "nat", None),
        (Method::Ipip, "ipip", Some(["tunl0", "ip6tnl0"])),
        (Method::Gue, "gue", Some(["tunl0", "ip6tnl0"])),
        (Method::Gre, "gre", Some(["gre0", "ip6gre0"])),
    ];
    methods.map(|(method, name, devices)| detects(method, name, devices)).join("; ")
}

fn detects(method: Method, name: &str, devices: Option<[&str; 2]>) -> String {
    let mut site = Site::new(method, 2, 2);
    site.add_virtual_address(&site.directors[0]);
    let servers = site.servers.iter().flat_map(|server| server.addresses);
    let servers: String =
        servers.map(|server| format!("[[kernel.service.server]]\naddress = \"{server}\"\n")).collect();
    let [ipv4, ipv6] = VIRTUAL;
    let configuration = format!(
        "[kernel]\nonly = true\ninterval = \"500ms\"\n[[kernel.service]]\nname = \"media\"\nmark = {MEDIA}\n\
         addresses = [\"{ipv4}\", \"{ipv6}\"]\ntcp = [\"{RTSP}\"]\nudp = [\"6970\"]\nscheduler = \"rr\"\n\
         method = \"{name}\"\ngue_port = {GUE}\n\
         check = {{ through_address = true, receive = \"server\", interval = \"500ms\", fast_interval = \"100ms\", \
         timeout = \"1s\", fall = 2 }}\n{servers}"
    );
    let _balancers: Vec<_> = site
        .directors
        .iter()
        .map(|director| Balancer::start(director, &director.write("weir.toml", &configuration)))
        .collect();
    let all = site.servers.iter().flat_map(|server| server.addresses).collect::<Vec<_>>();
    all.iter().for_each(|server| await_presence(&site, *server, true));
    for address in VIRTUAL {
        let tally = open_connections(&site.client, SocketAddr::new(address, RTSP), 10);
        assert_eq!(tally.servers().count(), 2, "{method}: {tally}");
    }

    let start = Instant::now();
    let addresses = site.servers[0].addresses;
    match devices {
        Some(devices) => {
            for (address, device) in VIRTUAL.into_iter().zip(devices) {
                site.servers[0].host.call(&format!("ip address delete {} dev {device}", host_prefix(address)));
            }
        }
        None => site.servers[0].fail(),
    }
    addresses.iter().for_each(|server| await_presence(&site, *server, false));
    let detected = start.elapsed();
    let start = Instant::now();
    match devices {
        Some(devices) => {
            for (address, device) in VIRTUAL.into_iter().zip(devices) {
                site.servers[0].host.call(&format!("ip address add {} dev {device}", host_prefix(address)));
            }
        }
        None => site.servers[0].recover(),
    }
    addresses.iter().for_each(|server| await_presence(&site, *server, true));
    let back = start.elapsed();
    format!("{name}: detected in {detected:.1?}, back in {back:.1?}")
}

/// Waits until both directors send clients to the server, or neither does.
fn await_presence(site: &Site, server: IpAddr, is_present: bool) {
    for director in &site.directors {
        let description = format!("{}, {server} on {}: {is_present}", site.method, director.name());
        wait::eventually(&description, 2 * PATIENCE, || {
            let table = director.ipvs();
            let is_live = table.weight(MEDIA, server).is_some_and(|weight| weight > 0);
            if is_live == is_present { Ok(()) } else { Err(format!("{table:?}")) }
        });
    }
}
