//! The command line of `weir-balancer`: one file for each command.

mod add_steering;
mod addresses;
mod check_config;
mod check_server;
mod demo;
mod doctor;
mod dry_run;
mod greeting;
mod import;
mod keepalived_conf;
mod keygen;
mod run;

use clap::{Parser, Subcommand};
use weir_kernel::import::{keepalived, ldirectord};
use weir_program::Outcome;
use weir_program::start::block_on;

use add_steering::AddSteering;
use check_config::CheckConfig;
use check_server::CheckServer;
use demo::Demo;
use doctor::Doctor;
use import::Import;
use keepalived_conf::KeepalivedConf;
use keygen::Keygen;
use run::Run;

/// Send each streaming client to the least loaded edge.
///
/// Without a command, weir-balancer runs a balancer. It serves clients on TCP port 1935, receives reports of edges on
/// UDP port 1934, and serves API, metrics and health checks on 127.0.0.1:8086. No configuration is required.
#[derive(Debug, Parser)]
#[command(name = "weir-balancer", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a demonstration: a balancer and three edges with simulated load in one process.
    Demo(Demo),
    /// Check a configuration file.
    CheckConfig(CheckConfig),
    /// Print a new key for a cluster, or a per-edge key.
    Keygen(Keygen),
    /// Add content steering to an HLS playlist.
    ///
    /// Reads a multivariant playlist from standard input, and prints it with the tag EXT-X-CONTENT-STEERING, which
    /// makes players request the edge to play from at this balancer.
    AddSteering(AddSteering),
    /// Run one health check against a server; exit code 1 if it fails.
    CheckServer(CheckServer),
    /// Convert an ldirectord configuration to [[kernel.service]] sections.
    ImportLdirectord(Import),
    /// Convert the virtual servers of a keepalived configuration to [[kernel.service]] sections.
    ImportKeepalived(Import),
    /// Print the keepalived configuration for one of two directors, which moves the virtual addresses between them.
    KeepalivedConf(KeepalivedConf),
    /// Diagnose kernel mode on this machine, and print what to change; exit code 1 if there are findings.
    Doctor(Doctor),
}

/// Executes the command line.
pub(crate) fn execute(arguments: Arguments) -> Outcome {
    match arguments.command {
        None => match arguments.run.dry_run {
            Some(part) => dry_run::run(arguments.run, part),
            None => block_on(run::run(arguments.run)),
        },
        Some(Command::Demo(arguments)) => block_on(demo::run(arguments)),
        Some(Command::CheckConfig(arguments)) => check_config::run(&arguments),
        Some(Command::Keygen(arguments)) => keygen::run(&arguments),
        Some(Command::AddSteering(arguments)) => add_steering::run(&arguments),
        Some(Command::CheckServer(arguments)) => block_on(check_server::run(arguments)),
        Some(Command::Doctor(arguments)) => doctor::run(&arguments),
        Some(Command::KeepalivedConf(arguments)) => keepalived_conf::run(&arguments),
        Some(Command::ImportLdirectord(arguments)) => import::run(&arguments, ldirectord::read),
        Some(Command::ImportKeepalived(arguments)) => import::run(&arguments, keepalived::read),
    }
}
