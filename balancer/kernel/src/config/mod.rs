//! `[kernel]`: the configuration file's sections of kernel mode.
//!
//! | section                     | type                                       |
//! |-----------------------------|--------------------------------------------|
//! | `[kernel]`                  | [`KernelSection`]                          |
//! | `[[kernel.service]]`        | [`ServiceSection`]                         |
//! | `[[kernel.service.server]]` | [`ServerSection`]                          |
//! | `[kernel.service.check]`    | [`weir_checks::check::CheckSection`]       |
//! | `[kernel.directors]`        | [`Directors`]                              |
//!
//! [`KernelSection::settings`] validates the sections and turns them into [`Settings`].

pub(crate) mod parse;
pub mod service;
mod services;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use weir_program::config::{SectionError, values};

pub use service::{ServerSection, ServiceSection};

use crate::model::{Mark, MarkRange, OwnedMarks, Timeouts};
use crate::settings::{Directors, OnExit, Settings};

/// Kernel mode: virtual services that the kernel forwards (Linux Virtual Server). Without a `[[kernel.service]]`,
/// kernel mode is off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelSection {
    /// Whether this balancer serves nothing but kernel mode. It then listens for no clients, `[[listener]]` is
    /// rejected, and on a kernel without IPVS it exits with code 69. Otherwise clients are redirected as well. Default:
    /// false.
    pub only: bool,
    /// Range of marks that Weir owns: `"FIRST-LAST"` or a single mark, in decimal or hexadecimal (`0x…`), at most 65536
    /// marks. Services with other marks are never changed, except those that a section selects by `mark`. No other
    /// program may use marks of the range, since the two would undo each other's changes. With `through_address`, each
    /// server of a checked service takes a mark from the end of the range. Default: `"0x57000000-0x5700ffff"`, which no
    /// other program is known to use.
    #[serde(deserialize_with = "parse::mark_range")]
    pub marks: MarkRange,
    /// Interval at which the kernel is read and compared with the desired state, `"100ms"` to `"60s"`. External changes
    /// are reverted within this time. Servers that come, go, fail or are drained are applied at once; weights follow
    /// load at this interval, but at most every two seconds. Default: `"2s"`.
    #[serde(deserialize_with = "values::duration_within::<_, 100, 60_000>")]
    pub interval: Duration,
    /// What happens to the services when the balancer stops. `"keep"`: the kernel keeps forwarding, and the next
    /// balancer takes over without losing a packet. `"drain"`: servers get no new connections, and existing ones
    /// continue. `"remove"`: services and marks are deleted. Default: `"keep"`.
    pub on_exit: OnExit,
    /// Timeout of idle TCP connections, `"1s"` to `"596h"`. Default: the kernel's, usually 15 minutes. This and the
    /// next two apply to all services of the network namespace, including those of other programs.
    #[serde(deserialize_with = "parse::timeout")]
    pub tcp_timeout: Option<u32>,
    /// Timeout of TCP connections after a FIN, `"1s"` to `"596h"`. Default: the kernel's, usually 2 minutes.
    #[serde(deserialize_with = "parse::timeout")]
    pub tcp_fin_timeout: Option<u32>,
    /// Timeout of UDP, `"1s"` to `"596h"`. Default: the kernel's, usually 5 minutes.
    #[serde(deserialize_with = "parse::timeout")]
    pub udp_timeout: Option<u32>,
    /// Whether to set the sysctls that the forwarding methods in use require. Otherwise, wrong values are only
    /// reported. Default: true.
    pub set_sysctls: bool,
    /// Maximum number of concurrent health checks, 1 to 10000. Each takes a socket or a process, for milliseconds if
    /// the server responds, and for the check's `timeout` if it does not. Default: 256.
    #[serde(deserialize_with = "values::within::<_, 1, 10_000>")]
    pub concurrent_checks: usize,
    /// Set if this director is one of a pair.
    pub directors: Option<Directors>,
    /// The virtual services.
    #[serde(rename = "service")]
    pub services: Vec<Spanned<ServiceSection>>,
}

impl Default for KernelSection {
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

impl KernelSection {
    /// Validates the sections and applies defaults. Returns `None` if there is no service.
    ///
    /// # Errors
    /// When a section is invalid, or two sections conflict.
    pub fn settings(self) -> Result<Option<Settings>, SectionError> {
        if self.services.is_empty() {
            return Ok(None);
        }
        let (services, packet_marks) = services::services(&self)?;
        let explicit = self.services.iter().filter_map(|service| service.get_ref().mark).filter_map(Mark::new);
        Ok(Some(Settings {
            only: self.only,
            owned: OwnedMarks::new(self.marks, explicit),
            timeouts: self.timeouts(),
            mark_range: self.marks,
            interval: self.interval,
            on_exit: self.on_exit,
            set_sysctls: self.set_sysctls,
            concurrent_checks: self.concurrent_checks,
            directors: self.directors,
            services,
            packet_marks,
        }))
    }

    /// The timeouts to set; `None` if none is configured.
    fn timeouts(&self) -> Option<Timeouts> {
        let Self { tcp_timeout, tcp_fin_timeout, udp_timeout, .. } = *self;
        let is_any_set = [tcp_timeout, tcp_fin_timeout, udp_timeout].iter().any(Option::is_some);
        // The kernel leaves a timeout unchanged that is set to 0.
        is_any_set.then(|| Timeouts {
            tcp: tcp_timeout.unwrap_or(0),
            tcp_fin: tcp_fin_timeout.unwrap_or(0),
            udp: udp_timeout.unwrap_or(0),
        })
    }
}
