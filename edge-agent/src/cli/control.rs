//! `weir-agent pause`, `unpause` and `drain`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use weir_edge_agent::control::{self, AgentStatus, ControlRequest};
use weir_program::{Failure, Outcome, say, units};

use super::{StateFolder, status};

#[derive(Args, Debug)]
pub(super) struct Drain {
    /// Time until the deadline, such as 10m; without one, existing sessions may last [default: none].
    #[arg(long, value_name = "DURATION", value_parser = units::parse_duration)]
    deadline: Option<Duration>,
    #[command(flatten)]
    folder: StateFolder,
}

/// Drains the edge.
pub(super) async fn drain(arguments: Drain) -> Outcome {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let deadline_ms = arguments.deadline.map(milliseconds);
    command(arguments.folder, ControlRequest::Drain { deadline_ms }).await
}

/// Sends a command to the agent, and prints the state of the edge after it.
pub(super) async fn command(folder: StateFolder, request: ControlRequest) -> Outcome {
    say(status::line(&send(&folder.path(), request).await?));
    Ok(())
}

/// Sends a request to the agent with this state folder.
pub(super) async fn send(folder: &Path, request: ControlRequest) -> Result<AgentStatus, Failure> {
    control::send(folder, request).await.map_err(Failure::unavailable)
}
