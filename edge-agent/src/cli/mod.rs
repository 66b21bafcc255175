//! The command line of `weir-agent`: one file for each command.

mod control;
mod direct_routing;
mod run;
mod status;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use weir_edge_agent::control::{AgentStatus, ControlRequest};
use weir_program::start::block_on;
use weir_program::{Failure, Outcome, state};

use control::Drain;
use direct_routing::DirectRouting;
use run::Run;
use status::Status;

/// Report the load of one media server to balancers.
///
/// Requires a target and a key. Clients are redirected to the redirect address; without one, balancers use the source
/// address of the reports.
#[derive(Debug, Parser)]
#[command(name = "weir-agent", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

/// Commands besides the agent itself. Most of them speak to the agent that runs on this machine.
#[derive(Debug, Subcommand)]
enum Command {
    /// Pause this edge: it accepts no new clients until `unpause`, even after a restart.
    Pause(StateFolder),
    /// End a pause or drain of this edge.
    Unpause(StateFolder),
    /// Drain this edge: it accepts no new clients, and relayed sessions are closed at the deadline.
    Drain(Drain),
    /// Show the status of this edge and of its connections to the balancers.
    Status(Status),
    /// Configure this machine as a real server for direct routing (LVS-DR).
    ///
    /// Adds the virtual addresses to the loopback interface and keeps the machine from answering ARP requests for them. The
    /// configuration lasts until the next boot.
    DirectRouting(DirectRouting),
}

/// The option that selects the agent on this machine.
#[derive(Args, Debug)]
struct StateFolder {
    /// State folder of the agent.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

impl StateFolder {
    fn path(self) -> PathBuf {
        self.state.unwrap_or_else(state::default_folder)
    }

    /// Sends a request to the agent with this state folder.
    async fn send(self, request: ControlRequest) -> Result<AgentStatus, Failure> {
        weir_edge_agent::control::send(&self.path(), request).await.map_err(Failure::unavailable)
    }
}

/// Executes the command line.
pub(crate) fn execute(arguments: Arguments) -> Outcome {
    match arguments.command {
        None => block_on(run::run(arguments.run)),
        Some(Command::Pause(folder)) => block_on(control::command(folder, ControlRequest::Pause)),
        Some(Command::Unpause(folder)) => block_on(control::command(folder, ControlRequest::Unpause)),
        Some(Command::Drain(arguments)) => block_on(control::drain(arguments)),
        Some(Command::Status(arguments)) => block_on(status::run(arguments)),
        Some(Command::DirectRouting(arguments)) => direct_routing::run(arguments),
    }
}
