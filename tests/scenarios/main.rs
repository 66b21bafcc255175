//! Kernel mode in a real kernel: `cargo xtask kernel [NAME…]` boots one and runs these there.
//!
//! A scenario is a function and a line in the list. It builds its hosts and networks, does to them what a site's people do,
//! asserts what clients notice, and returns what it measured.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "this is test code, though not in a #[test]")]

mod by_hand;
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

/// All of them, in the order in which they run.
const SCENARIOS: &[Scenario] = &[
    Scenario { name: "guest-nat", shows: "IPVS by mark works in the guest: NAT", run: by_hand::nat },
    Scenario { name: "guest-direct", shows: "… direct routing", run: by_hand::direct },
    Scenario { name: "netlink", shows: "what Weir says over netlink is what the kernel keeps", run: netlink::run },
    Scenario {
        name: "hashing",
        shows: "schedulers that hash send clients of a drained server to another",
        run: hashing::run,
    },
    Scenario {
        name: "direct-routing",
        shows: "the agent makes real servers of machines, and undoes it",
        run: real_server::run,
    },
    Scenario { name: "doctor", shows: "what is wrong with a director is found", run: doctor::run },
    Scenario { name: "weir-rights", shows: "Weir needs one capability, and no root", run: rights::run },
    Scenario {
        name: "weir-windows-media",
        shows: "a Windows Media cluster by its example: NAT",
        run: windows_media::run,
    },
    Scenario {
        name: "weir-keepalived-rtsp",
        shows: "RTSP and two directors by their example: direct routing",
        run: keepalived_rtsp::run,
    },
    Scenario { name: "weir-web", shows: "HTTP and HTTPS under mark 80, by their example: NAT", run: web::run },
    Scenario {
        name: "weir-ipv6",
        shows: "IPv4 and IPv6 under one mark: NAT and direct routing",
        run: methods::both_families,
    },
    Scenario { name: "weir-tunnels", shows: "… and tunnels: ipip, gue and gre", run: methods::tunnels },
    Scenario { name: "weir-drain", shows: "servers are drained, by API, agent and goodbye", run: drain::run },
    Scenario {
        name: "weir-failure",
        shows: "a server's machine dies, found by check and by silence",
        run: failure::run,
    },
    Scenario { name: "weir-restart", shows: "Weir ends, is killed, upgraded, and nobody notices", run: restart::run },
    Scenario {
        name: "weir-terminal-servers",
        shows: "terminal servers and two directors by their example, imported from ldirectord.cf",
        run: terminal_servers::run,
    },
    Scenario {
        name: "weir-hand-over",
        shows: "a director that is about to stop hands over before it does",
        run: hand_over::planned,
    },
    Scenario {
        name: "weir-directors-alike",
        shows: "directors that exchange no connections keep them by choosing alike",
        run: hand_over::alike,
    },
    Scenario { name: "weir-load", shows: "distribution follows the load that agents report", run: load::run },
    Scenario {
        name: "weir-through",
        shows: "a server that loses the virtual address, checked through it",
        run: through::run,
    },
    Scenario { name: "weir-through-methods", shows: "… by NAT and through tunnels", run: through_methods::run },
    Scenario {
        name: "weir-checks",
        shows: "servers that fail, checked, and a sorry server around the quorum",
        run: checks::run,
    },
];

fn main() -> ExitCode {
    scenario::main(SCENARIOS)
}
