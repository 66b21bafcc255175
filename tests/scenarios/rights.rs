//! Weir needs one capability, and no root.

use std::fs;
use std::net::SocketAddr;

use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::visits;
use weir_tests::kernel::weir::Balancer;
use weir_tests::wait::{self, PATIENCE};

/// Services, marks, variables of the kernel, and checks that carry marks: all that Weir asks the kernel for.
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
    site.give_virtual_address(director);
    director.call("modprobe ip_vs");
    let variable = "/proc/sys/net/ipv4/vs/expire_nodest_conn";
    director.run(|| fs::write(variable, "0")).expect("a variable of the kernel");
    let configuration = director.write("weir.toml", CONFIGURATION);
    let balancer = Balancer::start_with_only(director, "net_admin", &configuration);
    balancer.await_kernel();
    // Which takes checks with a mark to be answered.
    wait::until("both servers are up", PATIENCE, || balancer.metrics().sum("weir_kernel_servers_up", &[]) == 2.0);
    let set = director.run(|| fs::read_to_string(variable)).expect("a variable of the kernel");
    assert_eq!(set.trim(), "1", "it was set without root");
    let served = visits(&site.client, SocketAddr::new(VIRTUAL[0], RTSP), CLIENTS);
    assert_eq!(served.total(), CLIENTS, "{served}");
    format!("with CAP_NET_ADMIN alone: {served} of {CLIENTS} clients")
}
