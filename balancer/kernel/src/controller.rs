//! Keeps the kernel as it should be: reads, decides, plans, changes and verifies; at the start, on every change of the fleet,
//! and every interval, since the kernel tells of nothing by itself.

mod apply;
mod misplaced;
mod through;
mod variables;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::io::Errno;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};
use weir_fleet::Time;
use weir_program::clock::Clock;
use weir_program::{netlink, random};

use super::candidates::Heard;
use super::desired::{Decider, View};
use super::directors::{self, Fitness, Notices};
use super::group::Group;
use super::kernel::{Kernel, OpenError, Snapshot};
use super::model::{Owned, Role, ServiceKey};
use super::plan::{Change, Desired, plan};
use super::status::{GroupStatus, State, Status, Tally};
use super::sysctls;
use crate::settings::{OnExit, Settings};
use apply::{Applied, Refusals};
use misplaced::Misplaced;
use through::Through;
use variables::Variables;
use watched::Watched;

/// How often it is looked whether the fleet has changed: as often as it may.
const GLANCE: Duration = Duration::from_millis(100);

/// How often a kernel that could not be opened is tried again: a module may be installed while Weir runs.
const RETRY: Duration = Duration::from_secs(10);

/// How long a director without servers keeps what it had, for keepalived to take the addresses from it: it does so at once.
const LET_GO: Duration = Duration::from_secs(1);

/// Why there is no kernel mode. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// It has no IPVS, or cannot be asked.
    #[error("kernel mode is not to be had: {0}")]
    Open(#[from] OpenError),
    /// This process may not.
    #[error("kernel mode is not to be had: it needs CAP_NET_ADMIN; run as root, or give the program this capability")]
    NotPermitted,
    /// It cannot be read.
    #[error("kernel mode is not to be had: the kernel cannot be read: {0}")]
    Read(netlink::Error),
}

impl From<netlink::Error> for Unavailable {
    fn from(error: netlink::Error) -> Self {
        if error.is_refusal(Errno::PERM) { Self::NotPermitted } else { Self::Read(error) }
    }
}

/// Opens the kernel of the calling thread's network namespace, and reads it once to see whether that is allowed.
///
/// # Errors
/// [`Unavailable`].
pub fn open(settings: &Settings) -> Result<Kernel, Unavailable> {
    let mut kernel = Kernel::open()?;
    kernel.read(&settings.owned)?;
    Ok(kernel)
}

/// What the controller reads, and where it tells of itself.
#[derive(Debug)]
pub struct Environment {
    /// Where the fleet is published.
    pub fleet: Arc<ArcSwap<weir_fleet::Snapshot>>,
    /// For the time.
    pub clock: Clock,
    /// How long a new server takes to its full share.
    pub ramp: Duration,
    /// Every edge that reports has been heard this long after the start.
    pub settled_after: Duration,
    /// Where it tells how it is doing.
    pub status: Arc<ArcSwap<Status>>,
}

/// Keeps the kernel as it should be.
#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    environment: Environment,
    kernel: Option<Kernel>,
    deciders: Vec<Decider>,
    through: Through,
    /// What the kernel was last told.
    told: Option<Desired>,
    /// What of it could not be done.
    left: Vec<Change>,
    refusals: Refusals,
    misplaced: Misplaced,
    variables: Variables,
    tally: Tally,
    /// The complaint that was last logged.
    complaint: Option<String>,
    /// Which of two directors this one is.
    role: Option<Role>,
    /// What keepalived was last told.
    fitness: Option<Fitness>,
    /// Since when keepalived is to take the addresses, for no server is left.
    letting_go: Option<Time>,
}

impl Controller {
    /// A controller of these services; without a `kernel` it tries to open one now and then.
    #[must_use]
    pub fn new(settings: Settings, kernel: Option<Kernel>, environment: Environment) -> Self {
        let decider = |group: &Group| Decider::new(group.clone(), environment.ramp);
        Self {
            deciders: settings.groups.iter().map(decider).collect(),
            through: Through::new(settings.marks, settings.groups.iter()),
            settings,
            environment,
            kernel,
            told: None,
            left: Vec::new(),
            refusals: Refusals::default(),
            misplaced: Misplaced::default(),
            variables: Variables::default(),
            tally: Tally::default(),
            complaint: None,
            role: None,
            fitness: None,
            letting_go: None,
        }
    }

    /// Starts the thread, which ends when the other end of `stopped` is dropped.
    ///
    /// # Errors
    /// When there is no thread, or no means to wait for events.
    pub fn start(self, stopped: watch::Receiver<()>) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let status = Arc::clone(&self.environment.status);
        let track_file = self.settings.directors.as_ref().map(|pair| pair.track_file.clone());
        let work = move || guard(|| runtime.block_on(self.run(stopped)), &status, track_file.as_deref());
        std::thread::Builder::new().name("weir-kernel".to_owned()).spawn(work)
    }

    async fn run(mut self, mut stopped: watch::Receiver<()>) {
        let groups = self.deciders.iter().map(Decider::group);
        let seed = u64::from_ne_bytes(random::bytes());
        let mut watched = Watched::new(groups, self.settings.concurrent_checks, seed, self.environment.clock);
        let mut notices = self.notices();
        let mut glances = tokio::time::interval(GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = self.environment.fleet.load_full();
        let mut next = self.now();
        // When what was refused is tried again, however often there is news.
        let mut again = next;
        loop {
            let is_judged = tokio::select! {
                changed = stopped.changed() => if changed.is_err() { break } else { false },
                () = watched.changed() => true,
                role = next_role(&mut notices) => {
                    self.role = role;
                    true
                }
                _ = glances.tick() => false,
            };
            let (now, fleet) = (self.now(), self.environment.fleet.load_full());
            let is_new = (is_judged || !Arc::ptr_eq(&seen, &fleet)) && self.kernel.is_some();
            if now >= again {
                self.refusals.forget();
                again = now + self.settings.interval;
            }
            if is_new || now >= next {
                self.turn(&fleet, &mut watched, now);
                next = now + if self.kernel.is_some() { self.settings.interval } else { RETRY };
            }
            seen = fleet;
        }
        self.hand_over(&mut notices).await;
        self.leave();
    }

    fn now(&self) -> Time {
        Time::after_origin(self.environment.clock.elapsed())
    }

    /// Looks, and does what there is to do.
    fn turn(&mut self, fleet: &weir_fleet::Snapshot, watched: &mut Watched, now: Time) {
        let outcome = with_second_try(|| {
            let outcome = self.attempt(fleet, watched, now);
            if outcome.is_err() {
                // The module may have been unloaded; what it is loaded as again is another.
                self.kernel = None;
                self.tally.failures += 1;
            }
            outcome
        });
        let (state, groups) = match outcome {
            Ok((groups, None)) => (State::Running, groups),
            Ok((groups, Some(complaint))) => (State::Failed(complaint), groups),
            Err(error) => {
                // Without any it would look as if there were no services.
                let last = self.environment.status.load().groups.clone();
                (State::Failed(error.to_string()), last.into_iter().map(GroupStatus::unread).collect())
            }
        };
        let complaint = if let State::Failed(complaint) = &state { Some(complaint.clone()) } else { None };
        if complaint != self.complaint {
            match &complaint {
                Some(complaint) => error!("{complaint}"),
                None => info!("kernel mode works again"),
            }
            self.complaint = complaint;
        }
        self.tell(if self.letting_go.is_some() { Fitness::Unfit } else { Fitness::of(&state, &groups) });
        let (sysctls, tally, role) = (self.variables.findings().to_vec(), self.tally, self.role);
        self.environment.status.store(Arc::new(Status { state, role, groups, sysctls, tally }));
    }

    fn attempt(
        &mut self,
        fleet: &weir_fleet::Snapshot,
        watched: &mut Watched,
        now: Time,
    ) -> Result<(Vec<GroupStatus>, Option<String>), Unavailable> {
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            None => {
                let kernel = self.kernel.insert(open(&self.settings)?);
                // Another one, perhaps: what this one was told is not known.
                self.told = None;
                kernel
            }
        };
        let before = kernel.read(&self.settings.owned)?;
        if self.settings.directors.is_some() {
            self.role = self.role.or_else(|| directors::remembered(&before.daemons));
        }
        let drift = |told| apply::drift(told, &self.left, &before, &self.settings.owned);
        let drift = self.told.as_ref().map_or(Vec::new(), drift);
        for change in &drift {
            warn!("somebody else has changed the kernel; putting right: {change}");
        }

        let is_settled = now - Time::ORIGIN >= self.environment.settled_after;
        let heard = Heard::new(fleet, now);
        let candidates: Vec<_> = {
            let verdicts = watched.verdicts();
            let of = |(place, decider): (usize, &Decider)| heard.candidates(decider.group(), verdicts.health(place));
            self.deciders.iter().enumerate().map(of).collect()
        };
        let groups = self.deciders.iter().map(Decider::group);
        self.misplaced.look(groups.clone(), &heard);
        self.through.look(groups.clone().zip(&candidates), &before.actual().table);
        let needed = sysctls::needed(groups, self.settings.directors.as_ref(), &self.through.answering());
        let set = self.settings.set_sysctls;
        let repairs = self.variables.look(needed, now, |variables| sysctls::inspect(variables, set)) as u64;
        self.tally.repaired += repairs;
        self.tally.changes += repairs;
        let decide = |(decider, candidates): (&mut Decider, &_)| {
            decider.decide(&View { now, candidates, kernel: &before, is_settled })
        };
        let decisions: Vec<_> = self.deciders.iter_mut().zip(&candidates).map(decide).collect();
        let desired = Desired {
            table: decisions.iter().flat_map(|decision| decision.table.clone()).chain(self.through.table()).collect(),
            marks: self.settings.packet_marks.clone(),
            daemons: self.settings.directors.as_ref().and_then(|pair| directors::daemons(pair, self.role)),
            timeouts: self.settings.timeouts,
        };
        if directors::is_to_let_go(self.role, decisions.iter().map(|decision| &decision.table), &before) {
            let since = *self.letting_go.get_or_insert(now);
            if now - since < LET_GO {
                let groups = self.deciders.iter().zip(decisions);
                let status = |(decider, decision): (&Decider, _)| GroupStatus::new(decider.group(), decision, &before);
                return Ok((groups.map(status).collect(), None));
            }
        } else {
            self.letting_go = None;
        }
        let applied = apply::apply(kernel, &desired, before, &self.settings.owned, &mut self.refusals)?;
        let Applied { after, made, remade, refusals, left, refused } = applied;
        let repairs = made.iter().filter(|change| drift.iter().any(|other| other.subject() == change.subject()));
        self.tally.repaired += (repairs.count() + remade.len()) as u64;
        self.tally.changes += (made.len() + remade.len()) as u64;
        self.tally.failures += refusals;
        self.told = Some(desired);
        self.left = left;
        // Only now there is what leads to those that are asked through a virtual address.
        watched.watch(&candidates, &self.through, &after.actual().table);
        let groups = self.deciders.iter().zip(decisions);
        let mut groups: Vec<_> =
            groups.map(|(decider, decision)| GroupStatus::new(decider.group(), decision, &after)).collect();
        watched.verdicts().tell(&mut groups);
        Ok((groups, refused.or_else(|| self.variables.complaint())))
    }

    /// What keepalived says, if this is one of two directors.
    fn notices(&self) -> Option<Notices> {
        let path = &self.settings.directors.as_ref()?.notify_fifo;
        let complain = |error: &io::Error| error!(pipe = %path.display(), %error, "keepalived cannot be heard");
        Notices::open(path).inspect_err(complain).ok()
    }

    /// Tells keepalived, if this is one of two directors, and if it is news.
    fn tell(&mut self, fitness: Fitness) {
        let Some(pair) = &self.settings.directors else { return };
        if self.fitness != Some(fitness) {
            match directors::tell(&pair.track_file, fitness) {
                Ok(()) => self.fitness = Some(fitness),
                Err(error) => {
                    let file = pair.track_file.display();
                    warn!(%file, %error, "keepalived cannot be told whether this director is fit");
                }
            }
        }
    }

    /// Has the other director take over, if this one is about to stop serving, and waits until it has.
    async fn hand_over(&mut self, notices: &mut Option<Notices>) {
        let Some(limit) = self.settings.directors.as_ref().map(|pair| pair.hand_over) else { return };
        // One that keepalived took the addresses from, or was told to, is not to get them back.
        if self.settings.on_exit == OnExit::Keep || self.fitness == Some(Fitness::Unfit) {
            return;
        }
        self.tell(Fitness::HandOver);
        let handed_over = async {
            while self.role == Some(Role::Master) {
                self.role = next_role(notices).await;
            }
        };
        if tokio::time::timeout(limit, handed_over).await.is_err() {
            warn!("the other director has not taken over: new clients are not served until it does");
        }
    }

    /// Does what is to be done when the balancer ends.
    fn leave(&mut self) {
        let (Some(kernel), Some(mut told)) = (&mut self.kernel, self.told.take()) else { return };
        told.daemons = self.settings.directors.as_ref().and_then(|pair| directors::daemons(pair, self.role));
        let desired = match self.settings.on_exit {
            OnExit::Keep => return,
            OnExit::Drain => {
                let clients: BTreeSet<_> = self.deciders.iter().flat_map(|decider| decider.group().keys()).collect();
                drained(told, |key| clients.contains(key))
            }
            OnExit::Remove => Desired { daemons: told.daemons.map(|_| BTreeMap::new()), ..Desired::default() },
        };
        let refusals = &mut Refusals::default();
        let before = kernel.read(&self.settings.owned);
        match before.and_then(|before| apply::apply(kernel, &desired, before, &self.settings.owned, refusals)) {
            Ok(Applied { refused: None, .. }) => info!("the kernel was told what is to be on exit"),
            Ok(Applied { refused: Some(complaint), .. }) => error!("{complaint}"),
            Err(error) => error!(%error, "the kernel could not be told what is to be on exit"),
        }
        if self.settings.on_exit == OnExit::Remove {
            self.tell(Fitness::Unfit);
        }
    }
}

/// Does the thread's work. When it panics, which is a fault of Weir's own, nobody looks after the kernel any more: that is
/// said to whoever asks, and to the other director, before the panic goes on. Redirects are served all the same.
fn guard(work: impl FnOnce(), status: &ArcSwap<Status>, track_file: Option<&Path>) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { return };
    let reason = "kernel mode has stopped for a fault of its own: see the log, and start the balancer anew";
    let last = status.load_full();
    status.store(Arc::new(Status { state: State::Failed(reason.to_owned()), ..Status::clone(&last) }));
    if let Some(Err(error)) = track_file.map(|file| directors::tell(file, Fitness::Unfit)) {
        error!(%error, "keepalived cannot be told that this director is unfit");
    }
    resume_unwind(panic);
}

/// Tries again at once when the kernel could not be read, for that may pass: what was lost with one answer is no reason to
/// let go of everything.
fn with_second_try<T>(mut go: impl FnMut() -> Result<T, Unavailable>) -> Result<T, Unavailable> {
    match go() {
        Err(error @ Unavailable::Read(_)) => {
            warn!("{error}; it is tried once more");
            go()
        }
        outcome => outcome,
    }
}

/// Waits until keepalived says something.
async fn next_role(notices: &mut Option<Notices>) -> Option<Role> {
    match notices {
        Some(notices) => notices.next().await,
        None => std::future::pending().await,
    }
}

/// The services that clients use, without weight; nobody checks servers any more.
fn drained(mut desired: Desired, is_for_clients: impl Fn(&ServiceKey) -> bool) -> Desired {
    desired.table.retain(|key, _| is_for_clients(key));
    let services = desired.table.values_mut();
    services.flat_map(|service| service.destinations.values_mut()).for_each(|destination| destination.weight = 0);
    desired
}

/// What is to be done; nothing of what is not Weir's is ever desired.
fn changes(desired: &Desired, kernel: &Snapshot, owned: &Owned) -> Vec<Change> {
    plan(desired, &kernel.actual(), owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_to_whoever_asks_and_to_the_other_director() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("track");
        let status = ArcSwap::from_pointee(Status { state: State::Running, ..Status::default() });
        guard(|| {}, &status, Some(&file));
        assert!(status.load().state == State::Running && !file.exists());
        let panics = || guard(|| panic!("a fault"), &status, Some(&file));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it is seen where the thread is joined, too");
        assert!(matches!(&status.load().state, State::Failed(reason) if reason.contains("see the log")));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "-254\n");
    }

    #[test]
    fn a_kernel_that_cannot_be_read_once_is_read_again_at_once() {
        let unreadable = || Unavailable::Read(netlink::Error::Timeout);
        let mut outcomes = vec![Ok(7), Err(unreadable())];
        assert_eq!(with_second_try(|| outcomes.pop().unwrap()).unwrap(), 7);
        let mut tries = 0;
        let outcome: Result<(), _> = with_second_try(|| {
            tries += 1;
            Err(unreadable())
        });
        assert!(matches!(outcome, Err(Unavailable::Read(_))));
        let mut others = 0;
        let outcome: Result<(), _> = with_second_try(|| {
            others += 1;
            Err(Unavailable::NotPermitted)
        });
        assert!(matches!(outcome, Err(Unavailable::NotPermitted)));
        assert_eq!((tries, others), (2, 1));
    }
}
