//! `weir-agent pause`, `unpause` and `drain`.

use std::time::Duration;

use clap::Args;
use weir_edge_agent::control::ControlRequest;
use weir_program::{Outcome, say, units};

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
    say(status::line(&folder.send(request).await?));
    Ok(())
}
