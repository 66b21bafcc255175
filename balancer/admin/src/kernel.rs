//! Kernel mode for operators and monitoring: `/api/v1/kernel`, and its lines of `/healthz` and `/readyz`.

use std::fmt;

use serde::Serialize;

/// Kernel mode, as the administration asks for it.
pub trait KernelMode: fmt::Debug + Send + Sync {
    /// Whether the kernel is as it should be.
    ///
    /// # Errors
    /// What is wrong.
    fn health(&self) -> Result<(), String>;

    /// How many services the kernel has, when it can serve the clients of all.
    ///
    /// # Errors
    /// Why it cannot.
    fn readiness(&self) -> Result<usize, String>;

    /// How it is doing, in full.
    fn view(&self) -> KernelView;
}

/// What `/api/v1/kernel` answers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KernelView {
    /// `off`, `running` or `failed`.
    pub state: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `master` or `backup`, of one of two directors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Changes that were made in the kernel.
    pub changes: u64,
    /// Those of them that put right what others had changed.
    pub drift_repaired: u64,
    /// Changes that the kernel refused, and times that it could not be read.
    pub failures: u64,
    /// The virtual services.
    pub services: Vec<ServiceView>,
    /// Variables of `/proc/sys`.
    pub sysctls: Vec<SysctlView>,
}

impl KernelView {
    /// Of a balancer without kernel mode.
    pub(crate) fn off() -> Self {
        Self { state: "off", ..Self::default() }
    }
}

/// A virtual service.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceView {
    /// What it is called.
    pub name: String,
    /// Under which mark the kernel knows it.
    pub mark: u32,
    /// How the kernel chooses a server.
    pub scheduler: String,
    /// Servers that must be up, in each family.
    pub quorum: usize,
    /// How it stands in each family of addresses that it has.
    pub families: Vec<FamilyView>,
    /// Its servers.
    pub servers: Vec<ServerView>,
}

/// How a service stands in one family of addresses.
#[derive(Clone, Debug, Serialize)]
pub struct FamilyView {
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// Servers that are up.
    pub up: usize,
    /// Whether the sorry server has taken over.
    pub sorry: bool,
}

/// A server of a service.
#[derive(Clone, Debug, Serialize)]
pub struct ServerView {
    /// Its address.
    pub address: String,
    /// What is known of it, in a word.
    pub condition: &'static str,
    /// In the kernel; missing when it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// The weight that load is measured against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_weight: Option<u32>,
    /// The share of it that the weight takes to be free, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headroom: Option<f32>,
    /// Why it has this weight.
    pub why: String,
    /// What the kernel counts of it; missing when it is not there.
    #[serde(flatten)]
    pub counted: Option<CountedView>,
}

/// What the kernel counts of a server.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CountedView {
    /// Connections that are open.
    pub active_connections: u32,
    /// Connections that the kernel still remembers.
    pub inactive_connections: u32,
    /// Clients that stay with the server.
    pub persistent_clients: u32,
    /// Connections ever.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, where they come by the director.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients, where they come by the director.
    pub bytes_out: u64,
}

/// A variable of `/proc/sys`.
#[derive(Clone, Debug, Serialize)]
pub struct SysctlView {
    /// Its name, with dots.
    pub name: String,
    /// What it should be.
    pub wanted: &'static str,
    /// What it is, or why that is not known.
    pub found: String,
    /// Whether it is as it should be.
    pub right: bool,
    /// What it is needed for.
    pub reason: &'static str,
}
