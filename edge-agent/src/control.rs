//! The control socket: how operators on this machine command a running agent. It lies in the state folder, and only the
//! agent's user can connect to it.
//!
//! The client sends one line of JSON, a [`ControlRequest`]; the agent answers with one line, `{"Ok": AgentStatus}` or
//! `{"Err": "why the request failed"}`.

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
use weir_program::files::{self, Access};
use weir_protocol::Action;

/// Maximum time for a request and its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum length of a line, in bytes.
const MAX_LINE: u64 = 64 * 1024;

/// A request to a running agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControlRequest {
    /// Take no new clients.
    Pause,
    /// Undo a pause or drain.
    Unpause,
    /// Take no new clients, and be empty by the deadline if there is one.
    Drain {
        /// Milliseconds from now until the deadline.
        deadline_ms: Option<u64>,
    },
    /// Return the status.
    Status,
}

impl ControlRequest {
    /// Returns the command that the edge must apply, if any.
    pub(crate) fn action(self) -> Option<Action> {
        Some(match self {
            Self::Pause => Action::Pause,
            Self::Unpause => Action::Unpause,
            Self::Drain { deadline_ms } => Action::Drain { deadline: deadline_ms.map(Duration::from_millis) },
            Self::Status => return None,
        })
    }
}

/// The status of an edge and of its connections to the balancers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The edge's GUID.
    pub edge: String,
    /// `running`, `paused`, `draining` or `stopping`.
    pub status: String,
    /// Why the edge is not running: `operator`, `capacity`, `health`, `shutdown`.
    pub reasons: Vec<String>,
    /// Milliseconds until the drain deadline.
    pub drain_deadline_ms: Option<u64>,
    /// Client connections; `None` when unknown.
    pub connections: Option<u64>,
    /// The balancers, in the order of the configuration.
    pub targets: Vec<TargetStatus>,
}

/// The status of the connection to one balancer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Its address, as configured.
    pub target: String,
    /// The balancer's name; `None` until its first ack.
    pub balancer: Option<String>,
    /// Milliseconds since its last ack; `None` before the first one.
    pub last_ack_ms: Option<u64>,
    /// Microseconds from a report to its ack.
    pub round_trip_us: Option<u64>,
    /// Why the last report could not be sent.
    pub error: Option<String>,
}

/// Why a request to an agent failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No agent uses this state folder.
    #[error("no agent runs with the state folder {0}; name another one with --state")]
    NotRunning(PathBuf),
    /// The socket failed.
    #[error("{0}: {1}")]
    Socket(PathBuf, io::Error),
    /// The agent could not do what was requested.
    #[error("{0}")]
    Failed(String),
}

/// The answer to a request: the status after it, or why it failed.
pub(crate) type Answer = Result<AgentStatus, String>;

/// A request that waits for the agent, and where its answer goes.
pub(crate) type PendingRequest = (ControlRequest, oneshot::Sender<Answer>);

/// Returns the path of the socket of an agent with this state folder.
#[must_use]
pub fn socket_in(folder: &Path) -> PathBuf {
    folder.join("agent.sock")
}

/// Binds the socket, accessible to this user only.
///
/// # Errors
/// [`io::ErrorKind::AddrInUse`] when an agent with this state folder is running; otherwise the error of the failed
/// system call.
pub(crate) fn bind(folder: &Path) -> io::Result<UnixListener> {
    let socket = socket_in(folder);
    files::create_folder(folder, Access::Everyone)?;
    match std::os::unix::net::UnixStream::connect(&socket) {
        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
        // Left behind by an agent that was killed.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(&socket)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(&socket)?;
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves requests on `listener` until it is cancelled; the agent receives them through `agent`.
pub(crate) async fn serve(listener: UnixListener, agent: mpsc::Sender<PendingRequest>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                debug!(%error, "control connection cannot be accepted");
                // Most likely the process is out of file descriptors; the pause lets other tasks close theirs.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // One at a time: each takes a moment, and a slow client is cut off.
        if let Ok(Err(error)) = timeout(TIMEOUT, answer(stream, &agent)).await {
            debug!(%error, "control request failed");
        }
    }
}

async fn answer(stream: UnixStream, agent: &mpsc::Sender<PendingRequest>) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut line = String::new();
    BufReader::new(input.take(MAX_LINE)).read_line(&mut line).await?;
    let request: ControlRequest = serde_json::from_str(&line)?;
    let (reply, replied) = oneshot::channel();
    agent.send((request, reply)).await.map_err(io::Error::other)?;
    let answer: Answer = replied.await.map_err(io::Error::other)?;
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    output.write_all(&line).await
}

/// Sends a request to the agent with this state folder, and returns the status after it.
///
/// # Errors
/// [`Error::NotRunning`] without such an agent, [`Error::Failed`] when the agent could not do what was requested, such
/// as save a command, and [`Error::Socket`] otherwise.
pub async fn send(folder: &Path, request: ControlRequest) -> Result<AgentStatus, Error> {
    let answer =
        timeout(TIMEOUT, exchange(folder, request)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let answer = answer.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NotRunning(folder.to_owned()),
        _ => Error::Socket(socket_in(folder), error),
    })?;
    answer.map_err(Error::Failed)
}

async fn exchange(folder: &Path, request: ControlRequest) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket_in(folder)).await?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut answer).await?;
    Ok(serde_json::from_str(&answer)?)
}
