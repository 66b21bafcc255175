//! The agent itself: asks the probes, hears orders, decides what to report, tells the targets.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};
use weir_program::clock::unix_milliseconds;
use weir_program::random;
use weir_protocol::Order;
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
                () = sleep_until(self.start + self.pace.next()) => {
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
            info!(target = %self.shared.config.targets[heard.target].address, order = ?heard.command.order, "an operator's order");
            self.obey(heard.command.order);
        }
        self.shared.set_last_command(heard.target, heard.command.id);
        self.commands += 1;
    }

    fn answer(&mut self, request: Request, reply: oneshot::Sender<control::Report>) {
        if let Some(order) = request.order() {
            info!(?order, "an operator's order, from this machine");
            self.obey(order);
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
    fn obey(&mut self, order: Order) {
        self.state.operator.obey(order, unix_milliseconds());
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
