//! The agent itself: asks the probes, hears commands, decides what to report, tells the targets.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use weir_program::clock::unix_milliseconds;
use weir_program::random;
use weir_protocol::Action;
use weir_protocol::report::{Reasons, Status};

use crate::config::Config;
use crate::control::{self, Asked, Request};
use crate::news::{News, Pace};
use crate::probes::Probes;
use crate::state::{Kept, State};
use crate::target::{self, Heard, Shared};

/// How long the last reports may take altogether.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Commands and requests that may wait for the agent; it takes them at once.
const QUEUE: usize = 16;

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket in the state folder cannot be bound.
    #[error("{0}: cannot be bound: {1}; choose another folder with --state")]
    Control(PathBuf, io::Error),
    /// Another agent runs with the same state folder.
    #[error("{0}: another agent runs with this state folder; stop it, or choose another with --state")]
    AlreadyRuns(PathBuf),
}

/// Reports until `shutdown` is done, and says goodbye then.
///
/// # Errors
/// When the agent cannot start.
pub async fn run(mut config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    let (ask, asked) = mpsc::channel(QUEUE);
    if let Some(folder) = &config.state_folder {
        tasks.spawn(control::serve(bind_control(folder)?, ask.clone()));
    }
    let start = Instant::now();
    let mut probes = Probes::start(std::mem::take(&mut config.probes), start, config.interval);
    let mut shutdown = std::pin::pin!(shutdown);
    // The first report tells the first readings, or that there are none.
    tokio::select! {
        () = &mut shutdown => return Ok(()),
        () = probes.first() => {}
    }

    let kept = Kept::in_folder(config.state_folder.as_deref());
    let mut state = State::new(kept.load());
    let boot_time = state.operator.boot(unix_milliseconds());
    kept.save(&state.operator);
    let (tell, told) = watch::channel(News::default());
    let (hear, heard) = mpsc::channel(QUEUE);
    let shared = Arc::new(Shared::new(config, boot_time));
    let mut senders = JoinSet::new();
    for index in 0..shared.config.targets.len() {
        senders.spawn(target::report(Arc::clone(&shared), index, told.clone(), hear.clone()));
    }
    let pace = Pace::new(shared.config.interval, start.elapsed());
    let mut agent = Agent { shared, start, probes, state, kept, commands: 0, tell, pace, first: true };
    // Kept open, so that waiting for one goes on when nobody can ask.
    let _ask = ask;
    agent.work(heard, asked, shutdown).await;
    agent.say_goodbye();
    drop(agent);
    let goodbye = async { while senders.join_next().await.is_some() {} };
    // A target whose name does not resolve must not hold the others' machine up.
    let _ = timeout(GOODBYE_TIMEOUT, goodbye).await;
    Ok(())
}

fn bind_control(folder: &Path) -> Result<tokio::net::UnixListener, Error> {
    control::bind(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::AlreadyRuns(folder.to_owned()),
        _ => Error::Control(control::socket_in(folder), error),
    })
}

struct Agent {
    shared: Arc<Shared>,
    start: Instant,
    probes: Probes,
    state: State,
    kept: Kept,
    /// How many commands were obeyed.
    commands: u64,
    /// What was told last.
    tell: watch::Sender<News>,
    pace: Pace,
    /// Whether nothing was told yet.
    first: bool,
}

impl Agent {
    async fn work(
        &mut self,
        mut heard: mpsc::Receiver<Heard>,
        mut asked: mpsc::Receiver<Asked>,
        mut shutdown: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) {
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                () = self.probes.fresh_at(self.pace.next()) => {
                    self.tell();
                    continue;
                }
                () = self.probes.changed() => {}
                Some(heard) = heard.recv() => self.hear(&heard),
                Some((request, reply)) = asked.recv() => self.answer(request, reply),
            }
            if self.news().is_urgent_after(&self.tell.borrow()) {
                self.pace.hurry(self.start.elapsed());
            }
        }
    }

    /// What there is to report now.
    fn news(&mut self) -> News {
        let now = unix_milliseconds();
        let (reading, is_healthy) = self.probes.read(self.start.elapsed());
        self.state.set_load(reading.connections, self.shared.config.capacity);
        let (status, reasons) = self.state.status(is_healthy, now);
        let drain_deadline = self.state.operator.drain_deadline(now);
        News { status, reasons, drain_deadline, reading, commands: self.commands }
    }

    /// Lets every target report.
    fn tell(&mut self) {
        let news = self.news();
        let is_other = |told: &News| told.status != news.status || told.reasons != news.reasons;
        if self.first || is_other(&self.tell.borrow()) {
            log(&news);
        }
        self.tell.send_replace(news);
        let now = self.start.elapsed();
        self.pace.sent(now, u32::from_ne_bytes(random::bytes()));
        // A balancer that has not met this edge believes it at its second report.
        if std::mem::take(&mut self.first) {
            self.pace.hurry(now);
        }
    }

    /// A target answered, with a command.
    fn hear(&mut self, heard: &Heard) {
        if self.state.operator.is_new(heard.command.id) {
            info!(target = %self.shared.config.targets[heard.target].address, action = ?heard.command.action, "an operator's order");
            self.obey(heard.command.action);
        }
        self.shared.set_last_command(heard.target, heard.command.id);
        self.commands += 1;
    }

    fn answer(&mut self, request: Request, reply: oneshot::Sender<control::Report>) {
        if let Some(action) = request.command() {
            info!(?action, "an operator's action, from this machine");
            self.obey(action);
        }
        let news = self.news();
        // Who asked may have gone.
        let _ = reply.send(control::Report {
            edge: self.shared.config.edge.to_string(),
            status: news.status.name().to_owned(),
            reasons: news.reasons.names().map(str::to_owned).collect(),
            drain_deadline: news.drain_deadline.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            connections: news.reading.connections,
            targets: self.shared.target_reports(),
        });
    }

    /// Does what is ordered. It is kept before anybody hears that it was obeyed.
    fn obey(&mut self, action: Action) {
        self.state.operator.obey(action, unix_milliseconds());
        self.kept.save(&self.state.operator);
    }

    fn say_goodbye(&mut self) {
        let news = self.news();
        let reasons = news.reasons.with(Reasons::SHUTDOWN);
        self.tell.send_replace(News { status: Status::Stopping, reasons, ..news });
    }
}

fn log(news: &News) {
    if news.status == Status::Running {
        info!("the edge takes clients");
    } else {
        let reasons: Vec<&str> = news.reasons.names().collect();
        warn!(status = news.status.name(), reasons = reasons.join(", "), "the edge takes no new clients");
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::EdgeId;
    use weir_protocol::report::Capacity;

    use super::*;
    use crate::probe::{Outcome, Probe, Reading};
    use crate::probes::ANSWER_LIMIT;

    const INTERVAL: Duration = Duration::from_millis(2500);

    /// Says when it was asked, in milliseconds since the first time, divided by `slowness`; and takes a while for it.
    #[derive(Debug)]
    struct Clock {
        start: Option<Instant>,
        slowness: u64,
        takes: Duration,
    }

    impl Probe for Clock {
        fn name(&self) -> String {
            "clock".to_owned()
        }

        fn read(&mut self) -> Outcome<'_> {
            let is_first = self.start.is_none();
            let asked_at = self.start.get_or_insert_with(Instant::now).elapsed();
            let connections = Some(u64::try_from(asked_at.as_millis()).unwrap() / self.slowness);
            let takes = if is_first { Duration::ZERO } else { self.takes };
            Box::pin(async move {
                tokio::time::sleep(takes).await;
                Ok(Reading { connections, ..Reading::default() })
            })
        }
    }

    /// A probe whose connections hardly change.
    fn steady(takes: Duration) -> Clock {
        Clock { start: None, slowness: 1000, takes }
    }

    /// An agent at work, without targets; and what it would tell them.
    struct AtWork {
        start: Instant,
        told: watch::Receiver<News>,
        ask: mpsc::Sender<Asked>,
        _hear: mpsc::Sender<Heard>,
        stop: oneshot::Sender<()>,
        agent: tokio::task::JoinHandle<Agent>,
    }

    impl AtWork {
        async fn with(probe: Clock) -> Self {
            let start = Instant::now();
            let mut probes = Probes::start(vec![Box::new(probe)], start, INTERVAL);
            probes.first().await;
            let config = Config {
                edge: EdgeId([7; 16]),
                targets: Vec::new(),
                redirect: None,
                endpoints: Vec::new(),
                probes: Vec::new(),
                interval: INTERVAL,
                zone: None,
                tags: Vec::new(),
                weight: None,
                capacity: Capacity::default(),
                state_folder: None,
            };
            let kept = Kept::in_folder(None);
            let state = State::new(kept.load());
            let (tell, told) = watch::channel(News::default());
            let shared = Arc::new(Shared::new(config, 0));
            let pace = Pace::new(INTERVAL, start.elapsed());
            let mut agent = Agent { shared, start, probes, state, kept, commands: 0, tell, pace, first: true };
            let (hear, heard) = mpsc::channel(QUEUE);
            let (ask, asked) = mpsc::channel(QUEUE);
            let (stop, stopped) = oneshot::channel::<()>();
            let agent = tokio::spawn(async move {
                agent.work(heard, asked, std::pin::pin!(async { drop(stopped.await) })).await;
                agent
            });
            Self { start, told, ask, _hear: hear, stop, agent }
        }

        /// When the next report is sent, and what it says.
        async fn next(&mut self) -> (Duration, News) {
            self.told.changed().await.unwrap();
            (self.start.elapsed(), self.told.borrow_and_update().clone())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_report_says_was_read_for_it() {
        // A millisecond is a connection: every reading is a jump, but those soon after a report.
        for slowness in [1, 100] {
            let takes = Duration::from_millis(3);
            let mut edge = AtWork::with(Clock { start: None, slowness, takes }).await;
            for _ in 0..50 {
                let (at, news) = edge.next().await;
                let read_at = Duration::from_millis(news.reading.connections.unwrap() * slowness);
                // Times are rounded down to a connection.
                assert!(at - read_at < Duration::from_millis(25 + slowness), "{at:?} {read_at:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn probes_that_are_slow_or_hang_change_neither_the_pace_of_reports_nor_their_number() {
        for takes in [Duration::ZERO, Duration::from_millis(100), Duration::MAX] {
            let mut edge = AtWork::with(steady(takes)).await;
            // By then what cannot wait has been told: the second report, and that of a probe that hangs nothing is known.
            while edge.next().await.0 < Duration::from_secs(10) {}
            let mut times = Vec::new();
            for _ in 0..25 {
                times.push(edge.next().await.0);
            }
            // By what two reports may be apart, and a timer's millisecond.
            let unsteady = INTERVAL.mul_f64(0.02) + takes.min(ANSWER_LIMIT) + Duration::from_millis(2);
            for pair in times.windows(2) {
                assert!((pair[1] - pair[0]).abs_diff(INTERVAL) <= unsteady, "{takes:?}: {pair:?}");
            }
            // What is random is 2 % of the whole at most, and an eighth of that most often; 24 times what the readings took
            // would be more.
            let late = (times[24] - times[0]).abs_diff(24 * INTERVAL);
            assert!(late < Duration::from_millis(1200), "{takes:?}: {late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_is_heard_while_a_probe_hangs_is_told_within_the_limit() {
        let mut edge = AtWork::with(steady(Duration::MAX)).await;
        // By then it has been told that nothing is known of the load, and the next report is far.
        while edge.next().await.0 < Duration::from_secs(10) {}
        tokio::time::sleep(Duration::from_secs(1)).await;
        let heard_at = edge.start.elapsed();
        let (reply, _) = oneshot::channel();
        edge.ask.send((Request::Pause, reply)).await.unwrap();
        let (at, news) = edge.next().await;
        assert_eq!(news.reasons.names().collect::<Vec<_>>(), ["operator", "health"]);
        assert!(at - heard_at <= ANSWER_LIMIT + Duration::from_millis(1), "{heard_at:?} {at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_edge_that_stops_waits_for_no_probe() {
        let mut edge = AtWork::with(steady(Duration::MAX)).await;
        let second = edge.next().await.0 + Duration::from_millis(250);
        // While the second report waits for the probe.
        tokio::time::sleep_until(edge.start + second + ANSWER_LIMIT / 2).await;
        edge.stop.send(()).unwrap();
        edge.agent.await.unwrap().say_goodbye();
        assert_eq!(edge.start.elapsed(), second + ANSWER_LIMIT / 2);
        assert_eq!(edge.told.borrow().status, Status::Stopping);
    }
}
