//! What is configured of kernel mode, checked: what each part takes.

mod directors;
mod edges;
mod method;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use weir_checks::check::Question;
use weir_program::config::values;

pub use directors::Directors;
pub use edges::{EdgeFilter, Edges};
pub use method::{ForwardingMethod, Method};

use crate::group::Group;
use crate::model::{MarkRange, Marks, Owned, Timeouts};

/// Everything that is configured of kernel mode. [`Kernel`](crate::config::Kernel) has the keys, what they mean and their
/// ranges.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether the kernel's services are all that this balancer is for.
    pub only: bool,
    /// The range of marks that are Weir's own.
    pub marks: MarkRange,
    /// The marks that are Weir's: the range, and those that services ask for beside it.
    pub owned: Owned,
    /// How often the kernel is read and compared with what it should be.
    pub interval: Duration,
    /// What becomes of the services when the balancer ends.
    pub on_exit: OnExit,
    /// The kernel's time-outs of connections, if any are to be set.
    pub timeouts: Option<Timeouts>,
    /// Whether variables of `/proc/sys` are set.
    pub set_sysctls: bool,
    /// Servers that are checked at a time.
    pub concurrent_checks: usize,
    /// This director is one of two.
    pub directors: Option<Directors>,
    /// The virtual services. Without any there is no kernel mode.
    pub groups: Vec<Group>,
    /// Which packets get which mark; no packet gets two.
    pub packet_marks: Marks,
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
        values::name_of(self, &Self::NAMES)
    }
}

impl<'de> Deserialize<'de> for OnExit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        values::named(deserializer, "what can be done on exit", &Self::NAMES)
    }
}

impl Settings {
    /// Files that the checks may have open at a time: a socket each, or for a program two pipes, its process, and what
    /// starting it takes.
    #[must_use]
    pub fn files(&self) -> usize {
        let questions = self.groups.iter().filter_map(|group| Some(&group.check.as_ref()?.question));
        let each = questions.map(|question| match question {
            Question::Nothing => 0,
            Question::Exec(_) => 4,
            _ => 1,
        });
        each.max().unwrap_or(0) * self.concurrent_checks
    }

    /// The virtual addresses of all services.
    #[must_use]
    pub fn virtual_addresses(&self) -> BTreeSet<IpAddr> {
        self.groups.iter().flat_map(|group| &group.packets).map(|packets| packets.address).collect()
    }
}
