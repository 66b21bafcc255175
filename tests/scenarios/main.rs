//! Tests of kernel mode in a real kernel: `cargo xtask kernel [NAME…]` boots one and runs them there.
//!
//! A scenario is a function and an entry in the list. It builds hosts and networks, operates them as a site's operators
//! would, asserts what clients observe, and returns its measurements.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "this is test code, though not in a #[test]")]

mod checks;
mod doctor;
mod drain;
mod failure;
mod hand_over;
mod hashing;
mod keepalived_rtsp;
mod load;
mod methods;
mod netlink;
mod plain_lvs;
mod real_server;
mod restart;
mod rights;
mod terminal_servers;
mod through;
mod through_methods;
mod web;
mod windows_media;

use std::process::ExitCode;

use weir_tests::kernel::scenario::{self, Scenario};

/// All scenarios, in the order in which they run.
const SCENARIOS: &[Scenario] = &[
    Scenario { name: "guest-nat", description: "IPVS with marks works in the guest: NAT", run: plain_lvs::nat },
    Scenario { name: "guest-direct", description: "… direct routing", run: plain_lvs::direct },
    Scenario { name: "netlink", description: "the kernel keeps what Weir sets over netlink", run: netlink::run },
    Scenario {
        name: "hashing",
        description: "hashing schedulers send clients of a drained server to another one",
        run: hashing::run,
    },
    Scenario {
        name: "direct-routing",
        description: "the agent sets up machines as real servers, and reverts it",
        run: real_server::run,
    },
    Scenario { name: "doctor", description: "the doctor finds the problems of a director", run: doctor::run },
    Scenario { name: "weir-rights", description: "Weir needs one capability, but not root", run: rights::run },
    Scenario {
        name: "weir-windows-media",
        description: "a Windows Media cluster, from its example: NAT",
        run: windows_media::run,
    },
    Scenario {
        name: "weir-keepalived-rtsp",
        description: "RTSP and two directors, from their example: direct routing",
        run: keepalived_rtsp::run,
    },
    Scenario { name: "weir-web", description: "HTTP and HTTPS with mark 80, from their example: NAT", run: web::run },
    Scenario {
        name: "weir-ipv6",
        description: "IPv4 and IPv6 with one mark: NAT and direct routing",
        run: methods::both_families,
    },
    Scenario { name: "weir-tunnels", description: "… and tunnels: ipip, gue and gre", run: methods::tunnels },
    Scenario {
        name: "weir-drain",
        description: "servers are drained by API, by agent, and when an agent stops",
        run: drain::run,
    },
    Scenario {
        name: "weir-failure",
        description: "a server's machine dies, detected by checks and by silence",
        run: failure::run,
    },
    Scenario {
        name: "weir-restart",
        description: "Weir stops, is killed and upgraded, and no client notices",
        run: restart::run,
    },
    Scenario {
        name: "weir-terminal-servers",
        description: "terminal servers and two directors, from their example, imported from ldirectord.cf",
        run: terminal_servers::run,
    },
    Scenario { name: "weir-hand-over", description: "a stopping director hands over first", run: hand_over::planned },
    Scenario {
        name: "weir-directors-alike",
        description: "directors without connection synchronisation choose the same servers",
        run: hand_over::alike,
    },
    Scenario { name: "weir-load", description: "distribution follows the load that agents report", run: load::run },
    Scenario {
        name: "weir-through",
        description: "checks through the virtual address detect a server that loses it",
        run: through::run,
    },
    Scenario { name: "weir-through-methods", description: "… with NAT and tunnels", run: through_methods::run },
    Scenario {
        name: "weir-checks",
        description: "checks detect failed servers, and a sorry server takes over below the quorum",
        run: checks::run,
    },
];

fn main() -> ExitCode {
    scenario::main(SCENARIOS)
}
