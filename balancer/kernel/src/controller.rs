//! Keeps the kernel in its desired state. A turn observes, decides and applies: at the start, whenever the fleet or the
//! verdict of a health check changes, and at every interval, since the kernel does not report changes by other
//! programs.
//!
//! | module             | contents                                                              |
//! |--------------------|-----------------------------------------------------------------------|
//! | [`observe`]        | reads the kernel, agents' reports, verdicts and routes                |
//! | [`decide`]         | the desired state of the kernel; pure                                 |
//! | [`apply`]          | applies it, change by change, and verifies the result                 |
//! | [`health_checks`]  | health checks of the real servers                                     |
//! | [`vip_checks`]     | probe services and routes for checks through virtual addresses        |
//! | [`sysctls`]        | keeps the required sysctls at their values                            |
//! | [`unusable_edges`] | logs edges that are left out because of their address                 |
//! | [`unavailable`]    | why kernel mode is unavailable                                        |
//! | [`exit`]           | hand-over, the `on_exit` policy, and panics                           |

mod apply;
mod decide;
mod exit;
mod health_checks;
mod observe;
mod sysctls;
mod unavailable;
mod unusable_edges;
mod vip_checks;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};
use weir_fleet::Time;
use weir_program::clock::Clock;
use weir_program::random;

use super::directors::{NotifyFifo, TrackFile, TrackValue};
use super::kernel::Kernel;
use super::model::Role;
use super::plan::Change;
use super::status::{ChangeCounts, ServiceStatus, State, Status};
use crate::settings::Settings;
use crate::sysctls::{inspect, required};
use apply::{Applied, Refusals};
use decide::Policy;
use exit::guard;
use health_checks::HealthChecks;
use observe::{Observer, Sources};
use sysctls::SysctlMonitor;
use unavailable::with_retry;
pub use unavailable::{Unavailable, open};

/// How often the fleet is compared with the one at the last turn. It changes at most that often.
const POLL: Duration = Duration::from_millis(100);

/// How often a kernel that could not be opened is tried again: a module may be installed while Weir runs.
const RETRY: Duration = Duration::from_secs(10);

/// Inputs and output of the controller.
#[derive(Debug)]
pub struct Environment {
    /// The fleet, with the reports of all agents.
    pub fleet: Arc<ArcSwap<weir_fleet::Snapshot>>,
    /// The clock of the fleet's times.
    pub clock: Clock,
    /// Time over which a server that joins others ramps up to its full weight.
    pub ramp: Duration,
    /// Time after the start until every edge that reports has done so.
    pub settled_after: Duration,
    /// Published status.
    pub status: Arc<ArcSwap<Status>>,
}

/// Keeps the kernel in its desired state.
#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    environment: Environment,
    kernel: Option<Kernel>,
    observer: Observer,
    policy: Policy,
    refusals: Refusals,
    sysctls: SysctlMonitor,
    counts: ChangeCounts,
    /// Role that keepalived last reported, or that the sync daemons had at the start.
    role: Option<Role>,
    /// keepalived's track file, if this director is one of a pair.
    track_file: Option<TrackFile>,
    /// The failure that was last logged.
    failure: Option<String>,
}

impl Controller {
    /// Creates a controller for these settings. Without a `kernel`, it tries to open one every 10 seconds.
    #[must_use]
    pub fn new(settings: Settings, kernel: Option<Kernel>, environment: Environment) -> Self {
        let track_file = settings.directors.as_ref().map(|directors| TrackFile::new(directors.track_file.clone()));
        Self {
            observer: Observer::new(&settings, environment.settled_after),
            policy: Policy::new(&settings, environment.ramp),
            settings,
            environment,
            kernel,
            refusals: Refusals::default(),
            sysctls: SysctlMonitor::default(),
            counts: ChangeCounts::default(),
            role: None,
            track_file,
            failure: None,
        }
    }

    /// Starts the controller's thread. It ends when the sender of `stopped` is dropped.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be created.
    pub fn start(self, stopped: watch::Receiver<()>) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let status = Arc::clone(&self.environment.status);
        let track_file = self.track_file.as_ref().map(|file| file.path().to_owned());
        let work = move || guard(|| runtime.block_on(self.run(stopped)), &status, track_file);
        std::thread::Builder::new().name("weir-kernel".to_owned()).spawn(work)
    }

    async fn run(mut self, mut stopped: watch::Receiver<()>) {
        let (settings, clock) = (&self.settings, self.environment.clock);
        let seed = u64::from_ne_bytes(random::bytes());
        let mut sources = Sources {
            fleet: self.environment.fleet.load_full(),
            health_checks: HealthChecks::new(settings.services.iter(), settings.concurrent_checks, seed, clock),
            notify_fifo: settings.directors.as_ref().map(|directors| NotifyFifo::new(&directors.notify_fifo)),
        };
        let mut polls = tokio::time::interval(POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_turn = self.now();
        // Refused changes are tried again at the interval, however often other events cause a turn.
        let mut next_clearing = next_turn;
        loop {
            let has_event = tokio::select! {
                changed = stopped.changed() => if changed.is_err() { break } else { false },
                () = sources.health_checks.changed() => true,
                role = next_role(&mut sources.notify_fifo) => {
                    self.role = role;
                    true
                }
                _ = polls.tick() => false,
            };
            let now = self.now();
            let fleet = self.environment.fleet.load_full();
            let is_new_fleet = !Arc::ptr_eq(&sources.fleet, &fleet);
            sources.fleet = fleet;
            if now >= next_clearing {
                self.refusals.clear();
                next_clearing = now + self.settings.interval;
            }
            if (has_event || is_new_fleet) && self.kernel.is_some() || now >= next_turn {
                self.turn(&mut sources, now);
                next_turn = now + if self.kernel.is_some() { self.settings.interval } else { RETRY };
            }
        }
        self.hand_over(&mut sources.notify_fifo).await;
        self.leave();
    }

    fn now(&self) -> Time {
        Time::after_origin(self.environment.clock.elapsed())
    }

    /// Observes, decides and applies once, and publishes the status.
    fn turn(&mut self, sources: &mut Sources, now: Time) {
        let outcome = with_retry(|| {
            let outcome = self.attempt(sources, now);
            if outcome.is_err() {
                // The module may have been unloaded. When it is loaded again, its family has another number.
                self.kernel = None;
                self.counts.failures += 1;
            }
            outcome
        });
        let (kernel_state, services) = match outcome {
            Ok((services, problem)) => (problem.map_or(State::Running, State::Failed), services),
            Err(error) => {
                // The services remain in the status; without them, there would appear to be none.
                let last = self.environment.status.load().services.clone();
                let services = last.into_iter().map(ServiceStatus::without_kernel_state).collect();
                (State::Failed(error.to_string()), services)
            }
        };
        let state = self.report_to_keepalived(kernel_state, &services, sources);
        self.log_failure(&state);
        let (sysctls, counts, role) = (self.sysctls.states().to_vec(), self.counts, self.role);
        self.environment.status.store(Arc::new(Status { state, role, services, sysctls, counts }));
    }

    /// Observes, decides and applies once. Returns the status of the services, and what is not as desired.
    fn attempt(
        &mut self,
        sources: &mut Sources,
        now: Time,
    ) -> Result<(Vec<ServiceStatus>, Option<String>), Unavailable> {
        let Self { settings, observer, policy, .. } = self;
        let kernel = match &mut self.kernel {
            Some(kernel) => kernel,
            None => {
                policy.forget_applied();
                self.kernel.insert(open(settings)?)
            }
        };
        let observation = observer.observe(settings, kernel, sources, self.role, now)?;
        self.role = observation.role;
        let sysctls = required(&settings.services, settings.directors.as_ref(), &observation.reply_interfaces);
        let repairs = self.sysctls.check(sysctls, now, |sysctls| inspect(sysctls, settings.set_sysctls));
        self.counts.repaired += repairs;
        self.counts.changes += repairs;
        let decision = policy.decide(&observation)?;
        for change in &decision.drift {
            warn!(%change, "external change to kernel state detected; reverting");
        }
        let decided = settings.services.iter().zip(decision.services);
        if decision.is_held_back {
            let status = |(service, decision)| ServiceStatus::new(service, decision, &observation.kernel);
            return Ok((decided.map(status).collect(), None));
        }
        let applied = apply::apply(kernel, &decision.desired, observation.kernel, &mut self.refusals)?;
        count(&mut self.counts, &decision.drift, &applied);
        let Applied { after, pending, problem, .. } = applied;
        policy.set_applied(decision.desired, pending);
        // Checks through virtual addresses need the probe services that were just applied.
        sources.health_checks.set_targets(&observation.servers, observer.vip_checks(), &after.actual().table);
        let mut services: Vec<_> =
            decided.map(|(service, decision)| ServiceStatus::new(service, decision, &after)).collect();
        sources.health_checks.verdicts().add_results(&mut services);
        Ok((services, problem.or_else(|| self.sysctls.problem())))
    }

    /// Writes the track value. Returns the state with failures to communicate with keepalived, which do not change the
    /// value, since clients are still served.
    fn report_to_keepalived(&mut self, kernel_state: State, services: &[ServiceStatus], sources: &Sources) -> State {
        let is_releasing = self.policy.is_releasing();
        let track_value = if is_releasing { TrackValue::Fault } else { TrackValue::of(&kernel_state, services) };
        let track_error = self.track_file.as_mut().and_then(|file| file.write(track_value).err());
        let notify_error = sources.notify_fifo.as_ref().and_then(NotifyFifo::error);
        match (kernel_state, notify_error.or(track_error)) {
            (State::Running, Some(error)) => State::Failed(error),
            (state, _) => state,
        }
    }

    /// Logs a failure once, and its end.
    fn log_failure(&mut self, state: &State) {
        let failure = if let State::Failed(reason) = state { Some(reason) } else { None };
        if failure != self.failure.as_ref() {
            match failure {
                Some(reason) => error!(%reason, "kernel mode failed"),
                None => info!("kernel mode recovered"),
            }
            self.failure = failure.cloned();
        }
    }
}

/// Counts the changes that were applied. Those that revert drift, or were repeated, are repairs.
fn count(counts: &mut ChangeCounts, drift: &[Change], applied: &Applied) {
    let is_repair = |change: &&Change| drift.iter().any(|other| other.subject() == change.subject());
    let repairs = applied.planned.iter().filter(is_repair).count();
    counts.repaired += (repairs + applied.repeated.len()) as u64;
    counts.changes += (applied.planned.len() + applied.repeated.len()) as u64;
    counts.failures += applied.refusals;
}

/// Waits for a notification of keepalived; forever if this director is not one of a pair.
async fn next_role(notify_fifo: &mut Option<NotifyFifo>) -> Option<Role> {
    match notify_fifo {
        Some(notify_fifo) => notify_fifo.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Snapshot;
    use crate::model::{Marks, Timeouts};

    #[test]
    fn changes_that_revert_drift_and_repeated_changes_are_counted_as_repairs() {
        let (marks, timeouts) = (Change::ReplaceMarks(Marks::default()), Change::SetTimeouts(Timeouts::default()));
        let applied = Applied {
            after: Snapshot::default(),
            planned: vec![marks, timeouts.clone()],
            repeated: vec![timeouts],
            refusals: 4,
            pending: Vec::new(),
            problem: None,
        };
        let mut counts = ChangeCounts::default();
        count(&mut counts, &[Change::RemoveMarks], &applied);
        assert_eq!(counts, ChangeCounts { changes: 3, repaired: 2, failures: 4 });
        count(&mut counts, &[], &applied);
        assert_eq!(counts, ChangeCounts { changes: 6, repaired: 3, failures: 8 });
    }
}
