//! A pair of directors, as in the examples. Weir runs on both; keepalived moves the virtual addresses between them.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use super::arrivals::ArrivalStats;
use super::connection::Connection;
use super::host::Host;
use super::keepalived;
use super::weir::{self, Balancer};
use crate::process::Process;
use crate::wait::{self, PATIENCE};

/// Time limit for a change of roles: longer than the preempt delay of 9 s.
const ROLE_PATIENCE: Duration = PATIENCE.saturating_mul(2);

/// A director with its programs.
#[derive(Debug)]
pub struct Director<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Weir on this machine.
    pub balancer: Balancer<'a>,
    /// keepalived on this machine.
    pub keepalived: Process,
    /// One of the virtual addresses, which all move together.
    address: IpAddr,
}

impl<'a> Director<'a> {
    /// Starts keepalived and Weir with the configuration files of the machine.
    ///
    /// # Panics
    /// If Weir does not start.
    #[must_use]
    pub fn start(host: &'a Host, address: IpAddr) -> Self {
        // At boot, they may start in any order. Here keepalived starts first, without the files that Weir creates.
        let keepalived = keepalived::start(host);
        Self { host, balancer: weir::start(host), keepalived, address }
    }

    /// Waits until this director has the addresses, and Weir reports that it is master.
    ///
    /// # Panics
    /// If it takes too long.
    #[track_caller]
    pub fn await_master(&self) {
        self.await_state(true, "master");
    }

    /// Waits until this director has none of the addresses, and Weir reports that it is backup.
    ///
    /// # Panics
    /// If it takes too long.
    #[track_caller]
    pub fn await_backup(&self) {
        self.await_state(false, "backup");
    }

    #[track_caller]
    fn await_state(&self, has_address: bool, role: &str) {
        let expected = (has_address, 1.0);
        wait::eventually(&format!("{} is {role}", self.host.name()), ROLE_PATIENCE, || {
            let reported = self.balancer.metrics().sum("weir_kernel_role", &[("role", role)]);
            let state = (self.has_address(), reported);
            if state == expected { Ok(()) } else { Err(format!("{state:?}, not {expected:?}")) }
        });
    }

    /// Returns whether this director has the addresses.
    #[must_use]
    pub fn has_address(&self) -> bool {
        self.host.call("ip -brief address").contains(&format!(" {}/", self.address))
    }

    /// The value in keepalived's track file: 0 if this director is healthy.
    #[must_use]
    pub fn track_value(&self) -> String {
        fs::read_to_string(self.host.private_path("/run/weir/track")).unwrap_or_default().trim().to_owned()
    }

    /// Waits for this value in keepalived's track file.
    ///
    /// # Panics
    /// If it takes too long.
    #[track_caller]
    pub fn await_track_value(&self, expected: &str) {
        wait::eventually(&format!("{} reports {expected} to keepalived", self.host.name()), PATIENCE, || {
            let value = self.track_value();
            if value == expected { Ok(()) } else { Err(value) }
        });
    }

    /// Waits until `count` servers are up and have their full weight, 100 each, and this director is healthy.
    ///
    /// # Panics
    /// If it takes too long.
    #[track_caller]
    pub fn await_servers(&self, count: usize) {
        self.await_track_value("0");
        let expected = 100.0 * count as f64;
        wait::eventually(&format!("{} has {count} servers", self.host.name()), PATIENCE, || {
            let weight = self.balancer.metrics().sum("weir_kernel_server_weight", &[]);
            if weight == expected { Ok(()) } else { Err(format!("their weights add up to {weight}")) }
        });
    }

    /// Roles of the sync daemons that run on this director.
    #[must_use]
    pub fn sync_roles(&self) -> Vec<String> {
        let daemons = self.host.call("ipvsadm --list --daemon");
        daemons.lines().filter_map(|line| line.split_once(" sync daemon")).map(|(role, _)| role.to_owned()).collect()
    }

    /// Waits until this director's kernel has at least `count` established connections.
    ///
    /// # Panics
    /// If it takes too long.
    #[track_caller]
    pub fn await_connections(&self, count: usize) {
        wait::eventually(&format!("{} has {count} connections", self.host.name()), PATIENCE, || {
            let connections = self.host.proc_net("ip_vs_conn");
            let is_open = |line: &&str| line.starts_with("TCP ") && line.contains(" ESTABLISHED ");
            let present = connections.lines().filter(is_open).count();
            if present >= count { Ok(()) } else { Err(format!("it has {present}:\n{connections}")) }
        });
    }
}

/// Checks clients that arrived while the addresses moved or a server was deleted, `times` times. None may have been
/// refused. Each time, at most the one that was connecting may have been reset: the kernel synchronises a connection
/// within two seconds.
///
/// # Panics
/// If there were other failures.
#[track_caller]
pub fn check_arrivals(arrived: &ArrivalStats, times: usize) {
    let is_reset = |failure: &String| failure.contains("reset by peer");
    let failures = &arrived.failures;
    assert!(failures.len() <= times && failures.iter().all(is_reset), "{times} times, but: {failures:?}");
}

/// Number of connections that are still alive.
pub fn count_alive(held: &mut [Connection]) -> usize {
    held.iter_mut().filter_map(|connection| connection.exchange().ok()).count()
}
