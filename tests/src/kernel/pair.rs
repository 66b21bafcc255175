//! Two directors as an example has them: keepalived gives one of them the virtual addresses, and Weir runs on both.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use super::arrivals::Arrived;
use super::host::Host;
use super::keepalived;
use super::visitor::Visit;
use super::weir::{self, Balancer};
use crate::process::Process;
use crate::wait::{self, PATIENCE};

/// Longer than the 9 s that a director waits before it takes the addresses back.
const LONGEST_WAIT: Duration = PATIENCE.saturating_mul(2);

/// A director with its programs.
#[derive(Debug)]
pub struct Director<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Weir on it.
    pub balancer: Balancer<'a>,
    /// keepalived on it.
    pub keepalived: Process,
    /// One of the virtual addresses; all move together.
    address: IpAddr,
}

impl<'a> Director<'a> {
    /// Starts Weir and keepalived with what the machine was furnished with.
    ///
    /// # Panics
    /// When Weir does not start.
    #[must_use]
    pub fn start(host: &'a Host, address: IpAddr) -> Self {
        // As any boot may have it: the one that starts the other's files finds none.
        let keepalived = keepalived::start(host);
        Self { host, balancer: weir::start(host), keepalived, address }
    }

    /// Waits until this director has the addresses, and knows.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn await_master(&self) {
        self.await_state(true, "master");
    }

    /// Waits until this director has none of the addresses, and knows.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn await_backup(&self) {
        self.await_state(false, "backup");
    }

    #[track_caller]
    fn await_state(&self, has_address: bool, role: &str) {
        let wanted = (has_address, 1.0);
        wait::eventually(&format!("{} is {role}", self.host.name()), LONGEST_WAIT, || {
            let known = self.balancer.metrics().sum("weir_kernel_role", &[("role", role)]);
            let state = (self.has_address(), known);
            if state == wanted { Ok(()) } else { Err(format!("{state:?}, not {wanted:?}")) }
        });
    }

    /// Whether the addresses are here.
    #[must_use]
    pub fn has_address(&self) -> bool {
        self.host.call("ip -brief address").contains(&format!(" {}/", self.address))
    }

    /// What Weir tells keepalived: 0 when all is well.
    #[must_use]
    pub fn fitness(&self) -> String {
        fs::read_to_string(self.host.own("/run/weir/track")).unwrap_or_default().trim().to_owned()
    }

    /// Waits until Weir tells keepalived this.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn await_fitness(&self, wanted: &str) {
        wait::eventually(&format!("{} is told {wanted}", self.host.name()), PATIENCE, || {
            let told = self.fitness();
            if told == wanted { Ok(()) } else { Err(told) }
        });
    }

    /// Waits until so many servers are up and have their whole weight, 100 each, and this director is fit.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn await_servers(&self, count: usize) {
        self.await_fitness("0");
        let wanted = 100.0 * count as f64;
        wait::eventually(&format!("{} has {count} servers", self.host.name()), PATIENCE, || {
            let weight = self.balancer.metrics().sum("weir_kernel_server_weight", &[]);
            if weight == wanted { Ok(()) } else { Err(format!("they weigh {weight}")) }
        });
    }

    /// Which sides of the exchange of connections run here.
    #[must_use]
    pub fn exchange(&self) -> Vec<String> {
        let said = self.host.call("ipvsadm --list --daemon");
        said.lines().filter_map(|line| line.split_once(" sync daemon")).map(|(side, _)| side.to_owned()).collect()
    }

    /// Waits until this director knows so many connections that are in use.
    ///
    /// # Panics
    /// When that takes too long.
    #[track_caller]
    pub fn await_connections(&self, count: usize) {
        wait::eventually(&format!("{} knows {count} connections", self.host.name()), PATIENCE, || {
            let connections = self.host.proc_net("ip_vs_conn");
            let is_open = |line: &&str| line.starts_with("TCP ") && line.contains(" ESTABLISHED ");
            let known = connections.lines().filter(is_open).count();
            if known >= count { Ok(()) } else { Err(format!("it knows {known}:\n{connections}")) }
        });
    }
}

/// Looks at clients who came while the addresses moved, or a server was taken out, so many times. None was turned away, and each
/// time at most the one who was underway was cut off: the kernel tells the other director of a connection within two seconds.
///
/// # Panics
/// When there were others.
#[track_caller]
pub fn check_arrivals(arrived: &Arrived, times: usize) {
    let is_isolated = |failure: &String| failure.contains("reset by peer");
    let failures = &arrived.failures;
    assert!(failures.len() <= times && failures.iter().all(is_isolated), "{times} times, but: {failures:?}");
}

/// How many connections still have answers.
pub fn alive(held: &mut [Visit]) -> usize {
    held.iter_mut().filter_map(|visit| visit.ask().ok()).count()
}
