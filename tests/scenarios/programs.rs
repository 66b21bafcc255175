//! Weir's programs run in the guest: a balancer on a director, and an agent on each real server.

use std::time::Instant;

use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site};
use weir_tests::kernel::weir::{self, Balancer};
use weir_tests::process::Process;
use weir_tests::wait::{self, PATIENCE};

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 2);
    let director = &site.directors[0];
    let configuration = director.write("weir.toml", "[[listener]]\naddress = \"192.0.2.11:1935\"\n");
    let start = Instant::now();
    let balancer = Balancer::start(director, &configuration);
    let started = start.elapsed();
    let to = ["198.51.100.1".parse().expect("the director's address inside")];
    let start = Instant::now();
    let _agents: Vec<Process> =
        site.servers.iter().map(|server| weir::agent(&server.host, &to, server.addresses[0], RTSP)).collect();
    wait::until("the balancer knows both edges", PATIENCE, || {
        balancer.metrics().sum("weir_edges", &[("state", "running")]) >= 2.0
    });
    format!("balancer ready in {started:.1?}, both edges known {:.1?} after that", start.elapsed())
}
