//! The servers that are checked, and what is known of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;
use weir_checks::Check;
use weir_checks::check::Question;
use weir_checks::{ProbeOptions, Runner, Status, Subject, Verdict};
use weir_program::clock::Clock;

use super::through::Through;
use crate::candidates::{Candidate, Health};
use crate::group::Group;
use crate::model::{Family, Table};
use crate::status::{ANSWERED, GroupStatus};

/// What a server is checked as: in each service of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    service: Arc<str>,
    address: IpAddr,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.address, self.service)
    }
}

/// The checks of all services.
#[derive(Debug)]
pub(super) struct Watched {
    runner: Runner<Key>,
    statuses: watch::Receiver<HashMap<Key, Status>>,
    /// By the order of the services; none for those that are not checked.
    checks: Vec<Option<Checked>>,
}

/// What is known of the servers of all services.
pub(super) struct Verdicts<'a> {
    checks: &'a [Option<Checked>],
    statuses: watch::Ref<'a, HashMap<Key, Status>>,
}

impl Verdicts<'_> {
    /// What is known of the servers of the service at this place.
    pub(super) fn health(&self, place: usize) -> impl Fn(IpAddr) -> Health {
        move |address| {
            let Some(checked) = self.checked(place) else { return Health::Unchecked };
            match self.of(checked, address).map(|status| &status.verdict) {
                None | Some(Verdict::Unknown) => Health::Unknown,
                Some(Verdict::Up) => Health::Up,
                Some(Verdict::Down(reason)) => Health::Down(reason.to_string()),
            }
        }
    }

    /// Says in the status of each service, in their order, what came of its checks.
    pub(super) fn tell(&self, groups: &mut [GroupStatus]) {
        for (place, group) in groups.iter_mut().enumerate() {
            let Some(checked) = self.checked(place) else { continue };
            for (address, server) in &mut group.servers {
                let Some(status) = self.of(checked, *address) else { continue };
                server.checked.extend([(ANSWERED, status.answers)].into_iter().filter(|(_, count)| *count > 0));
                server.checked.extend(status.failures.iter().map(|(reason, count)| (*reason, *count)));
            }
        }
    }

    fn checked(&self, place: usize) -> Option<&Checked> {
        self.checks.get(place)?.as_ref()
    }

    fn of(&self, checked: &Checked, address: IpAddr) -> Option<&Status> {
        self.statuses.get(&Key { service: Arc::clone(&checked.service), address })
    }
}

/// A service that is checked.
#[derive(Debug, Clone)]
struct Checked {
    service: Arc<str>,
    check: Arc<Check>,
    port: u16,
    /// The addresses that its servers are asked through, if they are.
    through: BTreeMap<Family, Vec<IpAddr>>,
}

impl Watched {
    /// Nobody yet. Must be called within a runtime.
    pub(super) fn new<'a>(groups: impl Iterator<Item = &'a Group>, at_a_time: usize, seed: u64, clock: Clock) -> Self {
        let runner = Runner::new(at_a_time, seed, clock);
        let checked = |group: &Group| {
            let check = group.check.clone().filter(|check| check.question != Question::Nothing)?;
            let port = group.checked_port()?;
            let families = group.services.keys().filter(|_| check.through_address);
            let through = families.map(|family| (*family, group.addresses(*family).into_iter().collect())).collect();
            Some(Checked { service: group.name.as_str().into(), check: Arc::new(check), port, through })
        };
        Self { statuses: runner.statuses(), runner, checks: groups.map(checked).collect() }
    }

    /// Waits until something else is known of a server.
    pub(super) async fn changed(&mut self) {
        if self.statuses.changed().await.is_err() {
            // Not while the runner is here.
            std::future::pending::<()>().await;
        }
    }

    /// What is known of all servers. No other verdict comes while this is held.
    pub(super) fn verdicts(&self) -> Verdicts<'_> {
        Verdicts { checks: &self.checks, statuses: self.statuses.borrow() }
    }

    /// Checks these servers from now on, service by service, and no others. Those that are to be asked through a virtual
    /// address are not asked while they cannot be.
    pub(super) fn watch(&mut self, candidates: &[BTreeMap<IpAddr, Candidate>], through: &Through, kernel: &Table) {
        let mut subjects = HashMap::new();
        for (place, (checked, candidates)) in self.checks.iter().zip(candidates).enumerate() {
            let Some(checked) = checked else { continue };
            for address in candidates.keys() {
                let options = match checked.check.through_address {
                    true => through.options(place, *address, kernel),
                    false => Some(ProbeOptions::default()),
                };
                let Some(options) = options else { continue };
                let key = Key { service: Arc::clone(&checked.service), address: *address };
                let subject = Subject {
                    target: SocketAddr::new(*address, checked.port),
                    through: checked.through.get(&Family::of(*address)).cloned().unwrap_or_default(),
                    check: Arc::clone(&checked.check),
                    options,
                };
                subjects.insert(key, subject);
            }
        }
        self.runner.watch(subjects);
    }
}
