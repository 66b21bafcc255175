//! The way to speak to a running agent: a socket in its state folder, for those who may write there.
//!
//! One line with a request, one line of JSON with the answer.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;
use weir_protocol::Action;

/// How long a request or an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Longest line.
const MAX_LINE: u64 = 64 * 1024;

/// What a running agent can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// Take no new clients.
    Pause,
    /// Take clients again, as far as the operator is concerned.
    Unpause,
    /// Take no new clients, and be empty by the deadline if there is one.
    Drain {
        /// From now, in milliseconds.
        deadline: Option<u64>,
    },
    /// Say how things are.
    Status,
}

impl Request {
    /// What the edge is to do, if it is to do anything.
    pub(crate) fn command(self) -> Option<Action> {
        Some(match self {
            Self::Pause => Action::Pause,
            Self::Unpause => Action::Unpause,
            Self::Drain { deadline } => Action::Drain { deadline: deadline.map(Duration::from_millis) },
            Self::Status => return None,
        })
    }
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The edge's GUID.
    pub edge: String,
    /// `running`, `paused`, `draining` or `stopping`.
    pub status: String,
    /// Why, if it is not running: `operator`, `capacity`, `health`, `shutdown`.
    pub reasons: Vec<String>,
    /// Milliseconds until the deadline of the drain.
    pub drain_deadline: Option<u64>,
    /// Client connections; `None` when unknown.
    pub connections: Option<u64>,
    /// Each balancer.
    pub targets: Vec<TargetReport>,
}

/// How things are with one balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// Where it is.
    pub target: String,
    /// What it calls itself.
    pub balancer: Option<String>,
    /// Milliseconds since it last answered.
    pub acked: Option<u64>,
    /// The time from the report to its answer, in microseconds.
    pub round_trip: Option<u64>,
    /// What was wrong with the last report.
    pub error: Option<String>,
}

/// A request, and where the answer goes.
pub(crate) type Asked = (Request, oneshot::Sender<Report>);

/// The socket of an agent with this state folder.
#[must_use]
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join("agent.sock")
}

/// Binds the socket, which only this user can use.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::AddrInUse`] when an agent with this state folder runs already.
pub(crate) fn bind(folder: &Path) -> io::Result<UnixListener> {
    let socket = socket_in(folder);
    fs::create_dir_all(folder)?;
    match std::os::unix::net::UnixStream::connect(&socket) {
        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        // Left over from an agent that was killed.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(&socket)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers on `listener` until it is cancelled; each request is put to `agent`.
pub(crate) async fn serve(listener: UnixListener, agent: mpsc::Sender<Asked>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "a request could not be accepted");
                // Out of file descriptors, most likely: others need a chance to close theirs.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // One after the other: each takes a moment, and who does not ask in time is cut off.
        if let Ok(Err(error)) = timeout(TIMEOUT, answer(stream, &agent)).await {
            debug!(%error, "a request failed");
        }
    }
}

async fn answer(stream: UnixStream, agent: &mpsc::Sender<Asked>) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut line = String::new();
    BufReader::new(input.take(MAX_LINE)).read_line(&mut line).await?;
    let request: Request = serde_json::from_str(&line)?;
    let (reply, replied) = oneshot::channel();
    agent.send((request, reply)).await.map_err(io::Error::other)?;
    let mut answer = serde_json::to_vec(&replied.await.map_err(io::Error::other)?)?;
    answer.push(b'\n');
    output.write_all(&answer).await
}

/// Asks the agent with this state folder.
///
/// # Errors
/// Those of the system: [`io::ErrorKind::NotFound`] or [`io::ErrorKind::ConnectionRefused`] when none runs.
pub async fn ask(folder: &Path, request: Request) -> io::Result<Report> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket_in(folder)).await?;
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(stream.take(MAX_LINE)).read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    };
    timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
