//! Weir needs one capability, but not root.

use std::fs;
use std::net::SocketAddr;

use weir_tests::kernel::connection::open_connections;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

/// Services, marks, sysctls, and checks with marks: everything that Weir needs privileges for.
const CONFIGURATION: &str = r#"
[kernel]
only = true
udp_timeout = "1m"
[[kernel.service]]
name = "rtsp"
addresses = ["192.0.2.10"]
tcp = ["554"]
scheduler = "rr"
method = "direct"
[[kernel.service.server]]
address = "192.0.2.21"
[[kernel.service.server]]
address = "192.0.2.22"
[kernel.service.check]
kind = "tcp"
through_address = true
"#;

const CLIENTS: usize = 10;

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    director.call("modprobe ip_vs");
    let sysctl = "/proc/sys/net/ipv4/vs/expire_nodest_conn";
    director.run(|| fs::write(sysctl, "0")).expect("a sysctl");
    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start_with_only(director, "net_admin", &configuration);
    balancer.await_kernel();
    // This requires probes with marks.
    wait::until("both servers are up", PATIENCE, || balancer.metrics().sum("weir_kernel_servers_up", &[]) == 2.0);
    let value = director.run(|| fs::read_to_string(sysctl)).expect("a sysctl");
    assert_eq!(value.trim(), "1", "it was set without root");
    let served = open_connections(&site.client, SocketAddr::new(VIRTUAL[0], RTSP), CLIENTS);
    assert_eq!(served.total(), CLIENTS, "{served}");
    format!("with CAP_NET_ADMIN only: {CLIENTS} clients, {served}")
}
