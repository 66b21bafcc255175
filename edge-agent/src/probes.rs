//! The probes at work, each in a task of its own: none waits for another.
//!
//! They ask on their own schedule, to see jumps of load, and once more for each report: what a balancer is told it takes
//! for what is so now, and it corrects that by the clients it has sent since.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{info, warn};

use crate::accepted::Merged;
use crate::health::Health;
use crate::probe::{Probe, Reading};

/// How long a probe may take. A media server on the same machine answers within milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often a probe asks, if not more often than reports are sent: a jump of load is seen within this time.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);

/// A reading so much older than a report is as good as one made for it: of 30 clients a second it misses less than one.
/// A jump is reported at once by the reading that showed it.
const FRESH: Duration = Duration::from_millis(20);

/// How long a report waits for readings made for it, and goes out with older ones then. A probe may take longer, and is
/// given up only after [`PROBE_TIMEOUT`]; but balancers must not wait for it.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_millis(250);

/// The probes of an edge.
#[derive(Debug)]
pub(crate) struct Probes {
    /// What the times below are counted from.
    start: Instant,
    /// Every probe is to ask that has not begun to since then.
    wanted: watch::Sender<Duration>,
    latest: Vec<watch::Receiver<Option<Latest>>>,
    health: Health,
    accepted: Merged,
    /// Ended when this is dropped.
    _tasks: JoinSet<()>,
}

/// What came of a probe the last time.
#[derive(Debug)]
struct Latest {
    /// When it was asked, since the start of the agent. What it says is not older.
    asked_at: Duration,
    /// When it answered.
    at: Duration,
    outcome: Result<Reading, String>,
}

impl Probes {
    /// Starts asking. `interval` is that of the reports.
    pub(crate) fn start(probes: Vec<Box<dyn Probe>>, start: Instant, interval: Duration) -> Self {
        let health = Health::new(probes.len(), interval);
        let mut tasks = JoinSet::new();
        let (wanted, want) = watch::channel(Duration::ZERO);
        let mut latest = Vec::new();
        for probe in probes {
            let (publish, receiver) = watch::channel(None);
            latest.push(receiver);
            tasks.spawn(ask_again_and_again(probe, publish, want.clone(), start, interval.min(PROBE_INTERVAL)));
        }
        Self { start, wanted, latest, health, accepted: Merged::default(), _tasks: tasks }
    }

    /// Until each probe has succeeded or failed once.
    pub(crate) async fn first(&mut self) {
        for latest in &mut self.latest {
            // The task ends with this object only.
            let _ = latest.wait_for(Option::is_some).await;
        }
    }

    /// Until a report is due, and the readings for it are there or [`ANSWER_LIMIT`] has passed.
    ///
    /// All follows from `due`, so nothing is lost when it is cancelled and called anew.
    pub(crate) async fn fresh_at(&self, due: Duration) {
        sleep_until(self.start + due).await;
        let since = due.saturating_sub(FRESH);
        self.wanted.send_replace(since);
        let answers = async {
            for mut latest in self.latest.iter().cloned() {
                // The task ends with this object only.
                let _ = latest.wait_for(|latest| latest.as_ref().is_some_and(|latest| latest.asked_at >= since)).await;
            }
        };
        // What was known before does for the probes that have not answered.
        let _ = timeout_at(self.start + due + ANSWER_LIMIT, answers).await;
    }

    /// Until any probe has succeeded or failed since the last [`Self::read`].
    pub(crate) async fn changed(&self) {
        let mut latest = self.latest.clone();
        let mut waits: Vec<_> = latest.iter_mut().map(|latest| Box::pin(latest.changed())).collect();
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
            if let Some(Latest { at, outcome: Ok(known), .. }) = &*latest.borrow_and_update() {
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
    mut want: watch::Receiver<Duration>,
    start: Instant,
    interval: Duration,
) {
    let name = probe.name();
    let mut trouble = None;
    loop {
        let began = Instant::now();
        let asked_at = began - start;
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
        publish.send_replace(Some(Latest { asked_at, at: start.elapsed(), outcome }));
        // One that took longer than the interval asks again at once, and so does one that is behind what is wanted.
        let _ = timeout_at(began + interval, want.wait_for(|since| asked_at < *since)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Outcome;

    const INTERVAL: Duration = Duration::from_millis(2500);

    /// Says when it was asked, in milliseconds since `start`, and how often, and takes a while for it; but for the first
    /// time.
    #[derive(Debug)]
    struct Clock {
        start: Instant,
        takes: Duration,
        looks: u32,
    }

    impl Probe for Clock {
        fn name(&self) -> String {
            "clock".to_owned()
        }

        fn read(&mut self) -> Outcome<'_> {
            let now = u64::try_from(self.start.elapsed().as_millis()).unwrap();
            self.looks += 1;
            let reading =
                Reading { connections: Some(now), in_bits_per_second: Some(self.looks.into()), ..Reading::default() };
            let takes = if self.looks == 1 { Duration::ZERO } else { self.takes };
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                Ok(reading)
            })
        }
    }

    async fn clock_that_takes(takes: Duration) -> Probes {
        let start = Instant::now();
        let mut probes = Probes::start(vec![Box::new(Clock { start, takes, looks: 0 })], start, INTERVAL);
        probes.first().await;
        probes
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_has_a_reading_that_was_made_for_it() {
        let mut probes = clock_that_takes(ms(5)).await;
        // Just before the probe would have asked by itself, and long before.
        for due in [1490, 2210] {
            probes.fresh_at(ms(due)).await;
            assert_eq!(probes.start.elapsed(), ms(due + 5));
            assert_eq!(probes.read(ms(due + 5)).0.connections, Some(due));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_of_a_moment_ago_is_not_made_anew() {
        let mut probes = clock_that_takes(ms(5)).await;
        probes.fresh_at(ms(512)).await;
        assert_eq!(probes.start.elapsed(), ms(512));
        assert_eq!(probes.read(ms(512)).0.connections, Some(500));
        // Neither is one that is on its way.
        probes.fresh_at(ms(1002)).await;
        assert_eq!(probes.start.elapsed(), ms(1005));
        assert_eq!(probes.read(ms(1005)).0.connections, Some(1000));
        // The looks at 0, 500 and 1000 ms, and no more: each answers for one of its kind.
        assert_eq!(probes.read(ms(1005)).0.in_bits_per_second, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_delays_a_report_no_longer_than_the_limit_and_the_others_are_fresh() {
        let start = Instant::now();
        let clock = |takes| Box::new(Clock { start, takes, looks: 0 }) as Box<dyn Probe>;
        let mut probes = Probes::start(vec![clock(ms(5)), clock(Duration::MAX)], start, INTERVAL);
        probes.first().await;
        for due in [1490, 4210] {
            // Given up and begun anew whenever something changes, as the agent does.
            while timeout(ms(30), probes.fresh_at(ms(due))).await.is_err() {}
            assert_eq!(start.elapsed(), ms(due) + ANSWER_LIMIT);
            assert_eq!(probes.read(start.elapsed()).0.connections, Some(due));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_ask_twice_a_second_though_nothing_is_due() {
        let mut probes = clock_that_takes(ms(5)).await;
        probes.read(Duration::ZERO);
        for look in [500, 1000, 1500, 2000] {
            probes.changed().await;
            assert_eq!(probes.read(probes.start.elapsed()).0.connections, Some(look));
        }
    }
}
