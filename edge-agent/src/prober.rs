//! Runs the probes, each in its own task, so that no probe waits for another.
//!
//! A probe is read periodically, to notice jumps of load, and once more for each report. A balancer takes a report for
//! the current load and corrects it by its assignments since then, so the figures must be fresh.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{info, warn};

use crate::accepted::MergedTotal;
use crate::health::Health;
use crate::probe::{Probe, Reading};

/// Maximum time for a reading. A media server on the same machine answers within milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum time between two readings; less if reports are more frequent. A jump of load is noticed within this time.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// Maximum age of a reading that is used for a report instead of a new one: at 30 clients per second it misses less
/// than one. A jump of load is thus reported at once, by the reading that showed it.
const FRESH: Duration = Duration::from_millis(20);

/// Maximum time that a report waits for fresh readings before it is sent with older ones. A probe may take up to
/// [`PROBE_TIMEOUT`], but the balancers must not wait for it.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_millis(250);

/// The running probes of an edge. Times are counted from the start of the agent.
#[derive(Debug)]
pub(crate) struct Prober {
    start: Instant,
    /// Every probe must take a new reading unless its last one was started at this time or later.
    required_since: watch::Sender<Duration>,
    latest: Vec<watch::Receiver<Option<Latest>>>,
    health: Health,
    accepted: MergedTotal,
    /// Cancelled on drop.
    _tasks: JoinSet<()>,
}

/// The last outcome of a probe.
#[derive(Debug)]
struct Latest {
    /// When the reading was started. Its figures are not older.
    started_at: Duration,
    /// When the reading was complete.
    completed_at: Duration,
    outcome: Result<Reading, String>,
}

impl Prober {
    /// Starts the probes; `interval` is that of the reports.
    pub(crate) fn start(probes: Vec<Box<dyn Probe>>, start: Instant, interval: Duration) -> Self {
        let health = Health::new(probes.len(), interval);
        let mut tasks = JoinSet::new();
        let (required_since, required) = watch::channel(Duration::ZERO);
        let mut latest = Vec::new();
        for probe in probes {
            let (publish, receiver) = watch::channel(None);
            latest.push(receiver);
            tasks.spawn(read_periodically(probe, publish, required.clone(), start, interval.min(PROBE_INTERVAL)));
        }
        Self { start, required_since, latest, health, accepted: MergedTotal::default(), _tasks: tasks }
    }

    /// Waits until each probe has succeeded or failed once.
    pub(crate) async fn first(&mut self) {
        for latest in &mut self.latest {
            // The task ends with this object only.
            let _ = latest.wait_for(Option::is_some).await;
        }
    }

    /// Waits until a report is due, and its readings are complete or [`ANSWER_LIMIT`] has passed.
    ///
    /// Cancel-safe: everything is derived from `due`.
    pub(crate) async fn fresh_at(&self, due: Duration) {
        sleep_until(self.start + due).await;
        let since = due.saturating_sub(FRESH);
        self.required_since.send_replace(since);
        let readings = async {
            for mut latest in self.latest.iter().cloned() {
                let is_fresh =
                    |latest: &Option<Latest>| latest.as_ref().is_some_and(|latest| latest.started_at >= since);
                // The task ends with this object only.
                let _ = latest.wait_for(is_fresh).await;
            }
        };
        // After the limit the previous readings are used.
        let _ = timeout_at(self.start + due + ANSWER_LIMIT, readings).await;
    }

    /// Waits until any probe has succeeded or failed since the last [`Self::read`].
    pub(crate) async fn changed(&self) {
        let mut latest = self.latest.clone();
        let mut waits: Vec<_> = latest.iter_mut().map(|latest| Box::pin(latest.changed())).collect();
        std::future::poll_fn(|cx| {
            let any = waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready());
            if any { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Returns the current figures, and whether every probe has succeeded recently.
    pub(crate) fn read(&mut self, now: Duration) -> (Reading, bool) {
        let mut reading = Reading::default();
        let mut totals = vec![None; self.latest.len()];
        for (index, latest) in self.latest.iter_mut().enumerate() {
            if let Some(Latest { completed_at, outcome: Ok(known), .. }) = &*latest.borrow_and_update() {
                self.health.succeeded(index, *completed_at);
                totals[index] = known.accepted.map(|accepted| accepted.total);
                reading = reading.or(known.clone());
            }
        }
        // The total of the first probe, without jumps when a media server restarts or a probe fails.
        if let (Some(accepted), Some(total)) = (&mut reading.accepted, self.accepted.observe(&totals)) {
            accepted.total = total;
        }
        (reading, self.health.is_healthy(now))
    }
}

async fn read_periodically(
    mut probe: Box<dyn Probe>,
    publish: watch::Sender<Option<Latest>>,
    mut required_since: watch::Receiver<Duration>,
    start: Instant,
    interval: Duration,
) {
    let name = probe.name();
    let mut last_error = None;
    loop {
        let began = Instant::now();
        let started_at = began - start;
        let outcome = match timeout(PROBE_TIMEOUT, probe.read()).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {PROBE_TIMEOUT:?}")),
        };
        // Each error is logged once.
        if outcome.as_ref().err() != last_error.as_ref() {
            last_error = outcome.as_ref().err().cloned();
            match &last_error {
                Some(error) => warn!(probe = name, %error, "probe failed; load unknown"),
                None => info!(probe = name, "probe succeeded again"),
            }
        }
        publish.send_replace(Some(Latest { started_at, completed_at: start.elapsed(), outcome }));
        // The next reading follows at once when this one took longer than the interval, or is too old for a report.
        let _ = timeout_at(began + interval, required_since.wait_for(|since| started_at < *since)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ReadFuture;

    const INTERVAL: Duration = Duration::from_millis(2500);

    /// Reads the milliseconds since `start` as connections, and the number of readings as bandwidth. Each reading but
    /// the first one takes a while.
    #[derive(Debug)]
    struct Clock {
        start: Instant,
        takes: Duration,
        readings: u32,
    }

    impl Probe for Clock {
        fn name(&self) -> String {
            "clock".to_owned()
        }

        fn read(&mut self) -> ReadFuture<'_> {
            let now = u64::try_from(self.start.elapsed().as_millis()).unwrap();
            self.readings += 1;
            let readings = Some(self.readings.into());
            let reading = Reading { connections: Some(now), in_bits_per_second: readings, ..Reading::default() };
            let takes = if self.readings == 1 { Duration::ZERO } else { self.takes };
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                Ok(reading)
            })
        }
    }

    async fn clock_that_takes(takes: Duration) -> Prober {
        let start = Instant::now();
        let mut prober = Prober::start(vec![Box::new(Clock { start, takes, readings: 0 })], start, INTERVAL);
        prober.first().await;
        prober
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_gets_a_fresh_reading() {
        let mut prober = clock_that_takes(ms(5)).await;
        // Just before the next periodic reading, and long before.
        for due in [1490, 2210] {
            prober.fresh_at(ms(due)).await;
            assert_eq!(prober.start.elapsed(), ms(due + 5));
            assert_eq!(prober.read(ms(due + 5)).0.connections, Some(due));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_is_still_fresh_is_not_repeated() {
        let mut prober = clock_that_takes(ms(5)).await;
        prober.fresh_at(ms(512)).await;
        assert_eq!(prober.start.elapsed(), ms(512));
        assert_eq!(prober.read(ms(512)).0.connections, Some(500));
        // Nor is one that is in progress.
        prober.fresh_at(ms(1002)).await;
        assert_eq!(prober.start.elapsed(), ms(1005));
        assert_eq!(prober.read(ms(1005)).0.connections, Some(1000));
        // The readings at 0, 500 and 1000 ms, and no others.
        assert_eq!(prober.read(ms(1005)).0.in_bits_per_second, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_delays_a_report_no_longer_than_the_limit_and_the_others_are_fresh() {
        let start = Instant::now();
        let clock = |takes| Box::new(Clock { start, takes, readings: 0 }) as Box<dyn Probe>;
        let mut prober = Prober::start(vec![clock(ms(5)), clock(Duration::MAX)], start, INTERVAL);
        prober.first().await;
        for due in [1490, 4210] {
            // Cancelled and called again, as the agent does whenever something changes.
            while timeout(ms(30), prober.fresh_at(ms(due))).await.is_err() {}
            assert_eq!(start.elapsed(), ms(due) + ANSWER_LIMIT);
            assert_eq!(prober.read(start.elapsed()).0.connections, Some(due));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_are_read_twice_a_second_while_no_report_is_due() {
        let mut prober = clock_that_takes(ms(5)).await;
        prober.read(Duration::ZERO);
        for reading in [500, 1000, 1500, 2000] {
            prober.changed().await;
            assert_eq!(prober.read(prober.start.elapsed()).0.connections, Some(reading));
        }
    }
}
