//! `[kernel]`: virtual services that the kernel forwards.
//!
//! | section                     | read into                              |
//! |-----------------------------|----------------------------------------|
//! | `[[kernel.service]]`        | [`Service`]                            |
//! | `[kernel.service.check]`    | [`weir_checks::check::Written`]        |
//! | `[kernel.directors]`        | [`Directors`]                          |
//!
//! [`Kernel::settings`] checks them and makes of them what the rest of kernel mode takes.

mod groups;
pub(crate) mod parse;
pub mod service;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use weir_program::config::{SectionError, values};

pub use service::{RealServer, Service};

use crate::model::{Mark, MarkRange, Owned, Timeouts};
use crate::settings::{Directors, OnExit, Settings};

/// Virtual services that the kernel forwards (Linux Virtual Server). Without a `[[kernel.service]]` there is no kernel mode.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kernel {
    /// Whether the kernel's services are all that this balancer is for: then it listens for no clients, `[[listener]]` is
    /// refused, and on a kernel without IPVS it ends with exit code 69. Otherwise clients are redirected all the same.
    /// Default: false.
    pub only: bool,
    /// The marks that are Weir's own, `"FIRST-LAST"` or one, in decimal or with `0x` in hexadecimal; 65536 at most.
    /// Services with other marks are never touched, but for those that a service asks for by `mark`. Two programs that
    /// have the same would undo each other's work. With `through_address` each server of a check takes one, from the end.
    /// Default: `"0x57000000-0x5700ffff"`, which nobody else is known to use.
    #[serde(deserialize_with = "parse::marks")]
    pub marks: MarkRange,
    /// How often the kernel is read and compared with what it should be, `"100ms"` to `"60s"`: the time in which what others
    /// have changed is put right. Servers that come, go, fail or are drained are told at once; weights follow load only so
    /// often, though at most every two seconds. Default: `"2s"`.
    #[serde(deserialize_with = "values::duration_within::<_, 100, 60_000>")]
    pub interval: Duration,
    /// What becomes of the services when the balancer ends: `"keep"`, the kernel goes on forwarding as it was last told,
    /// and the next balancer takes over without a lost packet; `"drain"`, servers get no new connections, and those that
    /// there are go on; `"remove"`, services and marks are deleted. Default: `"keep"`.
    pub on_exit: OnExit,
    /// How long the kernel remembers a TCP connection that is silent, `"1s"` to `"596h"`. Default: what the kernel has,
    /// 15 minutes as a rule. This and the next two hold for all services of the network namespace, other programs' too.
    #[serde(deserialize_with = "parse::timeout")]
    pub tcp_timeout: Option<u32>,
    /// The same after a FIN. Default: what the kernel has, 2 minutes as a rule.
    #[serde(deserialize_with = "parse::timeout")]
    pub tcp_fin_timeout: Option<u32>,
    /// The same of UDP. Default: what the kernel has, 5 minutes as a rule.
    #[serde(deserialize_with = "parse::timeout")]
    pub udp_timeout: Option<u32>,
    /// Whether the variables of `/proc/sys` that the methods in use need are set; otherwise those that are not as they
    /// should be are only reported. Default: true.
    pub set_sysctls: bool,
    /// Servers that are checked at a time, 1 to 10000; each takes a file or a process meanwhile, for some milliseconds if it
    /// works, and for the `timeout` of its check if it does not. Default: 256.
    #[serde(deserialize_with = "values::within::<_, 1, 10_000>")]
    pub concurrent_checks: usize,
    /// This director is one of two.
    pub directors: Option<Directors>,
    /// The services.
    #[serde(rename = "service")]
    pub services: Vec<Spanned<Service>>,
}

impl Default for Kernel {
    fn default() -> Self {
        Self {
            only: false,
            marks: MarkRange::DEFAULT,
            interval: Duration::from_secs(2),
            on_exit: OnExit::Keep,
            tcp_timeout: None,
            tcp_fin_timeout: None,
            udp_timeout: None,
            set_sysctls: true,
            concurrent_checks: 256,
            directors: None,
            services: Vec::new(),
        }
    }
}

impl Kernel {
    /// Checks the sections, and fills in what they leave open; nothing when there is no service.
    ///
    /// # Errors
    /// When a section is wrong, or contradicts another.
    pub fn settings(self) -> Result<Option<Settings>, SectionError> {
        if self.services.is_empty() {
            return Ok(None);
        }
        let (groups, packet_marks) = groups::groups(&self)?;
        let given = self.services.iter().filter_map(|service| service.get_ref().mark).filter_map(Mark::new);
        Ok(Some(Settings {
            only: self.only,
            owned: Owned::new(self.marks, given),
            timeouts: self.timeouts(),
            marks: self.marks,
            interval: self.interval,
            on_exit: self.on_exit,
            set_sysctls: self.set_sysctls,
            concurrent_checks: self.concurrent_checks,
            directors: self.directors,
            groups,
            packet_marks,
        }))
    }

    /// The time-outs to set, if any.
    fn timeouts(&self) -> Option<Timeouts> {
        let Self { tcp_timeout, tcp_fin_timeout, udp_timeout, .. } = *self;
        let is_said = [tcp_timeout, tcp_fin_timeout, udp_timeout].iter().any(Option::is_some);
        is_said.then(|| Timeouts {
            tcp: tcp_timeout.unwrap_or(0),
            tcp_fin: tcp_fin_timeout.unwrap_or(0),
            udp: udp_timeout.unwrap_or(0),
        })
    }
}
