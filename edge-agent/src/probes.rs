//! The probes at work, each in a task of its own: none waits for another, and no report waits for any.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

use crate::accepted::Merged;
use crate::health::Health;
use crate::probe::{Probe, Reading};

/// How long a probe may take. A media server on the same machine answers within milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a probe asks, if not more often than reports are sent: a jump of load is seen within this time.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// The probes of an edge.
#[derive(Debug)]
pub(crate) struct Probes {
    latest: Vec<watch::Receiver<Option<Latest>>>,
    health: Health,
    accepted: Merged,
    /// Ended when this is dropped.
    _tasks: JoinSet<()>,
}

/// What came of a probe the last time.
#[derive(Debug)]
struct Latest {
    /// Since the start of the agent.
    at: Duration,
    outcome: Result<Reading, String>,
}

impl Probes {
    /// Starts asking. `interval` is that of the reports.
    pub(crate) fn start(probes: Vec<Box<dyn Probe>>, start: Instant, interval: Duration) -> Self {
        let health = Health::new(probes.len(), interval);
        let mut tasks = JoinSet::new();
        let mut latest = Vec::new();
        for probe in probes {
            let (publish, receiver) = watch::channel(None);
            latest.push(receiver);
            tasks.spawn(ask_again_and_again(probe, publish, start, interval.min(PROBE_INTERVAL)));
        }
        Self { latest, health, accepted: Merged::default(), _tasks: tasks }
    }

    /// Until each probe has succeeded or failed once.
    pub(crate) async fn first(&mut self) {
        for latest in &mut self.latest {
            // The task ends with this object only.
            let _ = latest.wait_for(Option::is_some).await;
        }
    }

    /// Until any probe has succeeded or failed again.
    pub(crate) async fn changed(&mut self) {
        let mut waits: Vec<_> = self.latest.iter_mut().map(|latest| Box::pin(latest.changed())).collect();
        std::future::poll_fn(|cx| {
            let any = waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready());
            if any { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// What is known now, and whether every probe has succeeded lately.
    pub(crate) fn read(&mut self, now: Duration) -> (Reading, bool) {
        let mut reading = Reading::default();
        let mut totals = vec![None; self.latest.len()];
        for (index, latest) in self.latest.iter_mut().enumerate() {
            if let Some(Latest { at, outcome: Ok(known) }) = &*latest.borrow_and_update() {
                self.health.succeeded(index, *at);
                totals[index] = known.accepted.map(|accepted| accepted.total);
                reading = reading.or(known.clone());
            }
        }
        // The first one's, but so that no restart of a media server, or failure of a probe, shows in it.
        if let (Some(accepted), Some(total)) = (&mut reading.accepted, self.accepted.observe(&totals)) {
            accepted.total = total;
        }
        (reading, self.health.is_healthy(now))
    }
}

async fn ask_again_and_again(
    mut probe: Box<dyn Probe>,
    publish: watch::Sender<Option<Latest>>,
    start: Instant,
    interval: Duration,
) {
    let name = probe.name();
    let mut trouble = None;
    loop {
        let began = Instant::now();
        let outcome = match timeout(PROBE_TIMEOUT, probe.read()).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {PROBE_TIMEOUT:?}")),
        };
        // Each trouble is logged once.
        if outcome.as_ref().err() != trouble.as_ref() {
            trouble = outcome.as_ref().err().cloned();
            match &trouble {
                Some(error) => warn!(probe = name, error, "the load is unknown"),
                None => info!(probe = name, "the load is known again"),
            }
        }
        publish.send_replace(Some(Latest { at: start.elapsed(), outcome }));
        sleep_until(began + interval).await;
    }
}
