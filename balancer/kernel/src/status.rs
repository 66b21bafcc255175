//! How kernel mode is doing, for whoever asks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::candidates::Condition;
use super::desired::{Decided, Decision, Standing};
use super::group::Group;
use super::kernel::Snapshot;
use super::model::{Family, Role, ServiceKey};
use super::netlink::ipvs::ListedDestination;
use super::sysctls::Finding;

/// How kernel mode is doing.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Whether it works.
    pub state: State,
    /// Which of two directors this one is; `None` when it is alone, or does not know yet.
    pub role: Option<Role>,
    /// The services, as of the last time that the kernel was read.
    pub groups: Vec<GroupStatus>,
    /// Variables of `/proc/sys`.
    pub sysctls: Vec<Finding>,
    /// What was counted since the start.
    pub tally: Tally,
}

/// Whether kernel mode works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// It has not begun.
    #[default]
    Off,
    /// The kernel is as it should be.
    Running,
    /// It cannot be had, or not all of it, for this reason.
    Failed(String),
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Changes that were made in the kernel.
    pub changes: u64,
    /// Those of them that put right what others had changed.
    pub repaired: u64,
    /// Changes that the kernel refused, and times that it could not be read.
    pub failures: u64,
}

/// One service, as it is configured.
#[derive(Debug, Clone)]
pub struct GroupStatus {
    /// What it is called.
    pub name: String,
    /// Under which mark the kernel knows it.
    pub mark: u32,
    /// The scheduler.
    pub scheduler: String,
    /// Servers that must be up, in each family.
    pub quorum: usize,
    /// How it stands in each family that it has addresses of.
    pub standings: BTreeMap<Family, Standing>,
    /// All that are in the kernel, or that are known and are not.
    pub servers: BTreeMap<IpAddr, ServerStatus>,
}

/// One server of a service.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    /// What was decided; `None` for the sorry server while it serves.
    pub decided: Option<Decided>,
    /// What the kernel has; `None` when it is not there.
    pub listed: Option<ListedDestination>,
    /// How often it was asked since it is watched, by what came of it: [`ANSWERED`], or the name of a failure
    /// ([`Failure::reason`](weir_checks::Failure::reason)).
    pub checked: BTreeMap<&'static str, u64>,
}

/// What came of a check that was answered as it should be.
pub const ANSWERED: &str = "ok";

impl Status {
    /// Whether nothing is known to be wrong with the kernel.
    ///
    /// # Errors
    /// What is wrong.
    pub fn health(&self) -> Result<(), String> {
        match &self.state {
            State::Off | State::Running => Ok(()),
            State::Failed(reason) => Err(reason.clone()),
        }
    }

    /// How many services the kernel has, when it can serve the clients of all.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn readiness(&self) -> Result<usize, String> {
        if self.state == State::Off {
            return Err("the kernel has not been told yet".to_owned());
        }
        self.health()?;
        let unserved = |group: &GroupStatus| group.unserved().next().map(|family| (group.name.clone(), family));
        match self.groups.iter().find_map(unserved) {
            Some((name, family)) => Err(format!("nobody serves `{name}` over {family}")),
            None => Ok(self.groups.len()),
        }
    }
}

impl GroupStatus {
    /// Of what was decided, and what the kernel has by now.
    #[must_use]
    pub fn new(group: &Group, decision: Decision, kernel: &Snapshot) -> Self {
        let decided =
            |(address, decided)| (address, ServerStatus { decided: Some(decided), ..ServerStatus::default() });
        let mut servers: BTreeMap<_, _> = decision.servers.into_iter().map(decided).collect();
        let listed = |key: ServiceKey| kernel.destinations.get(&key).into_iter().flatten();
        for listed in group.keys().flat_map(listed) {
            servers.entry(listed.server.address).or_default().listed = Some(*listed);
        }
        Self {
            name: group.name.clone(),
            mark: group.mark.number(),
            scheduler: group.services.values().map(|service| service.scheduler.to_string()).next().unwrap_or_default(),
            quorum: group.quorum,
            standings: decision.standings,
            servers,
        }
    }

    /// What is left of it when the kernel cannot be read: what was decided, and nothing of what the kernel has.
    #[must_use]
    pub fn unread(mut self) -> Self {
        self.servers.values_mut().for_each(|server| server.listed = None);
        self
    }

    /// Whether anybody serves all of it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.unserved().next().is_none()
    }

    /// The families whose clients nobody serves.
    pub fn unserved(&self) -> impl Iterator<Item = Family> {
        let listed = || self.servers.values().filter_map(|server| server.listed);
        let is_served = move |family| {
            listed().any(|listed| Family::of(listed.server.address) == family && listed.destination.is_live())
        };
        self.standings.keys().copied().filter(move |family| !is_served(*family))
    }
}

impl ServerStatus {
    /// What is known of it, in a word.
    #[must_use]
    pub fn condition(&self) -> &'static str {
        match &self.decided {
            None => "sorry",
            Some(decided) => decided.condition.as_ref().map_or("leaving", |condition| condition.name()),
        }
    }

    /// Why it has the weight that it has, in a sentence without its full stop.
    #[must_use]
    pub fn reason(&self) -> String {
        let Some(decided) = &self.decided else { return "it is the sorry server".to_owned() };
        let Some(condition) = &decided.condition else {
            let is_awaited = decided.weight.is_some_and(|weight| weight > 0);
            return if is_awaited { "its agent has not been heard yet" } else { "nobody knows it any more" }.to_owned();
        };
        match decided.weighed {
            Some(weighed) if weighed.weight > 0 && decided.weight == Some(0) => {
                "the sorry server has taken over".to_owned()
            }
            Some(weighed) if weighed.is_ramping => format!("{condition}, and it is new"),
            Some(weighed) if weighed.headroom.is_none() && matches!(condition, Condition::Utilised(_)) => {
                format!("{condition}; but both directors are to choose alike")
            }
            _ => condition.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::status;

    #[test]
    fn health_and_readiness_say_what_is_wrong() {
        assert_eq!(Status::default().health(), Ok(()));
        assert_eq!(status().readiness(), Ok(1));
        let failed = Status { state: State::Failed("no IPVS".to_owned()), ..status() };
        assert_eq!(failed.health(), Err("no IPVS".to_owned()));
        assert_eq!(failed.readiness(), Err("no IPVS".to_owned()));
        let mut empty = status();
        empty.groups[0].servers.clear();
        assert_eq!(empty.readiness(), Err("nobody serves `media` over IPv4".to_owned()));
    }
}
