//! The agent itself: asks the probes, decides what to report, tells the targets.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};
use weir_program::clock::unix_milliseconds;
use weir_program::random;
use weir_protocol::codec::{self, TooLong};
use weir_protocol::datagram::MAX_BODY_LENGTH;
use weir_protocol::report::{Capacity, Load, Reasons, Status};
use weir_protocol::{EdgeId, Host, Report};

use crate::endpoint::Endpoint;
use crate::health::Health;
use crate::probe::{Probe, Reading};
use crate::sender::Sender;
use crate::targets::Target;

/// How long a probe may take. A media server on the same machine answers within milliseconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// By how much of an interval reports are early or late at most, at random, so that a fleet that was started at once does
/// not report in step for ever.
const JITTER: f64 = 0.02;

/// How often the last report is sent, and the time in between: one lost datagram would cost the clients of a whole
/// timeout.
const LAST_REPORTS: u32 = 3;
const LAST_REPORTS_PAUSE: Duration = Duration::from_millis(20);

/// How long the last reports may take altogether.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// What an agent reports for one edge.
#[derive(Debug)]
pub struct Config {
    /// Who the edge is.
    pub edge: EdgeId,
    /// The balancers.
    pub targets: Vec<Target>,
    /// What clients are to call the edge; the balancers take the address that reports come from when it is `None`.
    pub redirect: Option<String>,
    /// What the edge serves where; empty for the ports that clients use at the balancer.
    pub endpoints: Vec<Endpoint>,
    /// Where the load comes from. Of figures that several know, the first one's is reported.
    pub probes: Vec<Box<dyn Probe>>,
    /// The time between two reports, 100 ms to 1 h.
    pub interval: Duration,
    /// The zone that the edge is in.
    pub zone: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Share of clients relative to other edges; 1 when `None`.
    pub weight: Option<f32>,
    /// How much the edge can carry.
    pub capacity: Capacity,
}

/// What goes to every target with the next report.
#[derive(Clone, Copy, Debug, PartialEq)]
struct News {
    status: Status,
    reasons: Reasons,
    reading: Reading,
}

/// Reports until `shutdown` is done, and says goodbye then.
pub async fn run(mut config: Config, shutdown: impl Future<Output = ()>) {
    let boot_time = unix_milliseconds();
    let start = Instant::now();
    let interval = config.interval;
    let mut probes = Probes::start(std::mem::take(&mut config.probes), start, interval);
    let config = Arc::new(config);

    let mut shutdown = std::pin::pin!(shutdown);
    // The first report tells the first readings, or that there are none.
    tokio::select! {
        () = &mut shutdown => return,
        () = probes.first() => {}
    }
    let news = probes.news(start.elapsed());
    log(news.status);
    let (tell, told) = watch::channel(news);
    let mut senders = JoinSet::new();
    for target in &config.targets {
        let mut sender = Sender::new(target, config.edge);
        let (config, mut told) = (Arc::clone(&config), told.clone());
        told.mark_changed();
        senders.spawn(async move {
            while told.changed().await.is_ok() {
                let news = *told.borrow_and_update();
                sender.send(&config.report(&news, boot_time)).await;
                if news.status == Status::Stopping {
                    for _ in 1..LAST_REPORTS {
                        tokio::time::sleep(LAST_REPORTS_PAUSE).await;
                        sender.send(&config.report(&news, boot_time)).await;
                    }
                    return;
                }
            }
        });
    }
    drop(told);

    let mut next = Instant::now() + jittered(interval, random::bytes());
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            () = sleep_until(next) => next += jittered(interval, random::bytes()),
            // A change of state is told at once; other readings wait for their turn.
            () = probes.changed() => {
                if probes.news(start.elapsed()).status == tell.borrow().status {
                    continue;
                }
            }
        }
        let news = probes.news(start.elapsed());
        if news.status != tell.borrow().status {
            log(news.status);
        }
        tell.send_replace(news);
    }
    let reasons = tell.borrow().reasons.with(Reasons::SHUTDOWN);
    tell.send_modify(|news| *news = News { status: Status::Stopping, reasons, ..*news });
    let goodbye = async { while senders.join_next().await.is_some() {} };
    // A target whose name does not resolve must not hold the others' machine up.
    let _ = timeout(GOODBYE_TIMEOUT, goodbye).await;
}

fn log(status: Status) {
    match status {
        Status::Running => info!("the edge takes clients"),
        _ => warn!("the edge takes no clients while its load is unknown"),
    }
}

impl Config {
    /// Whether what is configured fits into a report, whatever the figures.
    ///
    /// # Errors
    /// [`TooLong`] when it does not.
    pub fn check(&self) -> Result<(), TooLong> {
        let most = Some(u64::MAX);
        let reading = Reading {
            connections: most,
            accepted: most,
            in_bits_per_second: most,
            out_bits_per_second: most,
            cpu: Some(1.0),
        };
        let news = News { status: Status::Running, reasons: Reasons::NONE, reading };
        codec::encode(&self.report(&news, u64::MAX), &mut [0; MAX_BODY_LENGTH]).map(drop)
    }

    fn report(&self, news: &News, boot_time: u64) -> Report<'_> {
        let mut report = Report::new(boot_time, unix_milliseconds(), self.interval);
        report.status = news.status;
        report.reasons = news.reasons;
        report.redirect = self.redirect.as_deref().and_then(|host| Host::new(host).ok());
        report.endpoints = self.endpoints.iter().map(Endpoint::to_report).take(report.endpoints.capacity()).collect();
        report.zone = self.zone.as_deref();
        report.tags = self.tags.iter().map(String::as_str).take(report.tags.capacity()).collect();
        report.weight = self.weight;
        report.capacity = self.capacity;
        report.load = Load {
            connections: news.reading.connections,
            accepted: news.reading.accepted,
            in_bits_per_second: news.reading.in_bits_per_second,
            out_bits_per_second: news.reading.out_bits_per_second,
            cpu: news.reading.cpu,
            ..Load::default()
        };
        report.agent_version = Some(env!("CARGO_PKG_VERSION"));
        report
    }
}

/// `interval`, early or late by up to [`JITTER`] of it as `random` says.
fn jittered(interval: Duration, random: [u8; 4]) -> Duration {
    let within = f64::from(u32::from_ne_bytes(random)) / f64::from(u32::MAX);
    interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * within)
}

/// The probes at work, each in a task of its own: none waits for another, and no report waits for any.
#[derive(Debug)]
struct Probes {
    latest: Vec<watch::Receiver<Option<Latest>>>,
    health: Health,
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
    fn start(probes: Vec<Box<dyn Probe>>, start: Instant, interval: Duration) -> Self {
        let health = Health::new(probes.len(), interval);
        let mut tasks = JoinSet::new();
        let mut latest = Vec::new();
        for mut probe in probes {
            let (publish, receiver) = watch::channel(None);
            latest.push(receiver);
            tasks.spawn(async move {
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
            });
        }
        Self { latest, health, _tasks: tasks }
    }

    /// Until each probe has succeeded or failed once.
    async fn first(&mut self) {
        for latest in &mut self.latest {
            let _ = latest.wait_for(Option::is_some).await;
        }
    }

    /// Until any probe has succeeded or failed again.
    async fn changed(&mut self) {
        let waits = self.latest.iter_mut().map(|latest| Box::pin(latest.changed()));
        let mut waits: Vec<_> = waits.collect();
        std::future::poll_fn(|cx| {
            let any = waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready());
            if any { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    /// What there is to report now.
    fn news(&mut self, now: Duration) -> News {
        let mut reading = Reading::default();
        for (index, latest) in self.latest.iter_mut().enumerate() {
            if let Some(Latest { at, outcome: Ok(known) }) = &*latest.borrow_and_update() {
                self.health.succeeded(index, *at);
                reading = reading.or(*known);
            }
        }
        let (status, reasons) = if self.health.is_healthy(now) {
            (Status::Running, Reasons::NONE)
        } else {
            (Status::Paused, Reasons::HEALTH)
        };
        News { status, reasons, reading }
    }
}
