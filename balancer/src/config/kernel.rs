//! `[kernel]`: virtual services that the kernel forwards.
//!
//! | section                     | module        |
//! |-----------------------------|---------------|
//! | `[[kernel.service]]`        | [`service`]   |
//! | `[kernel.service.check]`    | [`check`]     |
//! | `[kernel.directors]`        | [`directors`] |
//!
//! [`groups`] makes of them what the rest of kernel mode takes.

pub mod check;
pub mod directors;
mod groups;
pub mod service;
#[cfg(test)]
mod tests;
pub(crate) mod values;

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::Spanned;

pub use check::Check;
use check::Question;
pub use directors::Directors;
pub use service::{EdgeFilter, Edges, Method, RealServer, Service};

use crate::config::{SectionError, units};
use crate::ipvs::group::Group;
use crate::ipvs::model::{Mark, MarkRange, Owned, Timeouts};

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
    #[serde(deserialize_with = "values::marks")]
    pub marks: MarkRange,
    /// How often the kernel is read and compared with what it should be, `"100ms"` to `"60s"`: the time in which what others
    /// have changed is put right. Servers that come, go, fail or are drained are told at once; weights follow load only so
    /// often, though at most every two seconds. Default: `"2s"`.
    #[serde(deserialize_with = "units::duration_within::<_, 100, 60_000>")]
    pub interval: Duration,
    /// What becomes of the services when the balancer ends: `"keep"`, the kernel goes on forwarding as it was last told,
    /// and the next balancer takes over without a lost packet; `"drain"`, servers get no new connections, and those that
    /// there are go on; `"remove"`, services and marks are deleted. Default: `"keep"`.
    pub on_exit: OnExit,
    /// How long the kernel remembers a TCP connection that is silent, `"1s"` to `"596h"`. Default: what the kernel has,
    /// 15 minutes as a rule. This and the next two hold for all services of the network namespace, other programs' too.
    #[serde(deserialize_with = "values::timeout")]
    pub tcp_timeout: Option<u32>,
    /// The same after a FIN. Default: what the kernel has, 2 minutes as a rule.
    #[serde(deserialize_with = "values::timeout")]
    pub tcp_fin_timeout: Option<u32>,
    /// The same of UDP. Default: what the kernel has, 5 minutes as a rule.
    #[serde(deserialize_with = "values::timeout")]
    pub udp_timeout: Option<u32>,
    /// Whether the variables of `/proc/sys` that the methods in use need are set; otherwise those that are not as they
    /// should be are only reported. Default: true.
    pub set_sysctls: bool,
    /// Servers that are checked at a time, 1 to 10000; each takes a file or a process meanwhile, for some milliseconds if it
    /// works, and for the `timeout` of its check if it does not. Default: 256.
    #[serde(deserialize_with = "units::within::<_, 1, 10_000>")]
    pub checks: usize,
    /// This director is one of two.
    pub directors: Option<Directors>,
    /// The services.
    #[serde(rename = "service")]
    pub services: Vec<Spanned<Service>>,
}

/// What becomes of the services when the balancer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExit {
    /// They stay as they are.
    Keep,
    /// They take no new connections.
    Drain,
    /// They are deleted.
    Remove,
}

impl OnExit {
    /// All, by the names that the configuration has for them.
    const NAMES: [(&str, Self); 3] = [("keep", Self::Keep), ("drain", Self::Drain), ("remove", Self::Remove)];

    /// The name that the configuration has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        units::name_of(self, &Self::NAMES)
    }
}

impl<'de> Deserialize<'de> for OnExit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        units::named(deserializer, "what can be done on exit", &Self::NAMES)
    }
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
            checks: 256,
            directors: None,
            services: Vec::new(),
        }
    }
}

impl Kernel {
    /// The services, as the rest of kernel mode takes them. Those of a configuration that was parsed are checked.
    ///
    /// # Errors
    /// When a section is wrong, or contradicts another.
    pub fn groups(&self) -> Result<Vec<Group>, SectionError> {
        groups::groups(self)
    }

    /// The marks that are Weir's: the range, and what services ask for beside it.
    #[must_use]
    pub fn owned(&self) -> Owned {
        Owned::new(self.marks, self.services.iter().filter_map(|service| service.get_ref().mark).filter_map(Mark::new))
    }

    /// Files that its checks may have open at a time: a socket each, or for a program two pipes, its process, and what
    /// starting it takes.
    #[must_use]
    pub fn files(&self) -> usize {
        let questions = || self.services.iter().filter_map(|service| Some(&service.get_ref().check.as_ref()?.question));
        let each = questions().map(|question| match question {
            Question::Nothing => 0,
            Question::Exec(_) => 4,
            _ => 1,
        });
        each.max().unwrap_or(0) * self.checks
    }

    /// The time-outs to set, if any.
    #[must_use]
    pub fn timeouts(&self) -> Option<Timeouts> {
        let Self { tcp_timeout, tcp_fin_timeout, udp_timeout, .. } = *self;
        let is_said = [tcp_timeout, tcp_fin_timeout, udp_timeout].iter().any(Option::is_some);
        is_said.then(|| Timeouts {
            tcp: tcp_timeout.unwrap_or(0),
            tcp_fin: tcp_fin_timeout.unwrap_or(0),
            udp: udp_timeout.unwrap_or(0),
        })
    }
}
