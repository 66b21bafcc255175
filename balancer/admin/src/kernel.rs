//! Kernel mode for operators and monitoring: `/api/v1/kernel`, and its part of `/healthz` and `/readyz`.

use std::fmt;

use serde::Serialize;

/// Kernel mode, as the administration sees it.
pub trait KernelMode: fmt::Debug + Send + Sync {
    /// Returns whether the kernel's state is as configured.
    ///
    /// # Errors
    /// What is wrong.
    fn health(&self) -> Result<(), String>;

    /// Returns the number of services in the kernel when all of them can serve clients.
    ///
    /// # Errors
    /// Why they cannot.
    fn readiness(&self) -> Result<usize, String>;

    /// Returns the whole status.
    fn view(&self) -> KernelView;
}

/// The response of `/api/v1/kernel`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KernelView {
    /// `off`, `running` or `failed`.
    pub state: &'static str,
    /// Why kernel mode failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `master` or `backup`, with two directors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The number of changes made in the kernel.
    pub changes: u64,
    /// The number of these that reverted changes of other programs.
    pub drift_repaired: u64,
    /// The number of changes that the kernel refused, and of failures to read its state.
    pub failures: u64,
    /// The virtual services.
    pub services: Vec<ServiceView>,
    /// Kernel parameters below `/proc/sys`.
    pub sysctls: Vec<SysctlView>,
}

impl KernelView {
    /// The response of a balancer without kernel mode.
    pub(crate) fn off() -> Self {
        Self { state: "off", ..Self::default() }
    }
}

/// A virtual service.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// Its firewall mark.
    pub mark: u32,
    /// The scheduler of IPVS.
    pub scheduler: String,
    /// The number of servers that must be up, in each address family.
    pub quorum: usize,
    /// Its state in each of its address families.
    pub families: Vec<FamilyView>,
    /// Its real servers.
    pub servers: Vec<ServerView>,
}

/// The state of a service in one address family.
#[derive(Clone, Debug, Serialize)]
pub struct FamilyView {
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// The number of servers that are up.
    pub up: usize,
    /// Whether the sorry server serves the clients.
    pub sorry: bool,
}

/// A real server of a service.
#[derive(Clone, Debug, Serialize)]
pub struct ServerView {
    /// Its address.
    pub address: String,
    /// Its condition, in a word.
    pub condition: &'static str,
    /// Its weight in the kernel; absent while it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Its weight without load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_weight: Option<u32>,
    /// Spare capacity, 0 to 1, assumed when the weight was computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headroom: Option<f32>,
    /// The reason for its weight.
    pub reason: String,
    /// Its counters in the kernel; absent while it is not there.
    #[serde(flatten)]
    pub counters: Option<ServerCounters>,
}

/// The kernel's counters of a real server.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerCounters {
    /// Active connections.
    pub active_connections: u32,
    /// Inactive connections, which IPVS still tracks.
    pub inactive_connections: u32,
    /// Clients bound to the server by persistence.
    pub persistent_clients: u32,
    /// Connections scheduled so far.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, if they pass through the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients, if they pass through the director.
    pub bytes_out: u64,
}

/// A kernel parameter below `/proc/sys`.
#[derive(Clone, Debug, Serialize)]
pub struct SysctlView {
    /// Its name, with dots.
    pub name: String,
    /// The required value.
    pub expected: &'static str,
    /// The current value, or why it cannot be read.
    pub actual: String,
    /// Whether the current value is the required one.
    pub ok: bool,
    /// What the value is required for.
    pub reason: &'static str,
}
