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

/// Sends each streaming client to the least loaded edge.
///
/// Without a command it runs: clients on TCP port 1935 (HTTP, RTMP and RTSP), reports of edges on UDP port 1934,
/// health and metrics on 127.0.0.1:8086. Nothing needs to be configured.
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
    /// Run a balancer and three edges with simulated load in one process, to see what it does.
    Demo(Demo),
    /// Check a configuration file and say what is wrong with it.
    CheckConfig(CheckConfig),
    /// Print a new key for a cluster, or the key of one edge.
    Keygen(Keygen),
    /// Read a multivariant HLS playlist from standard input, and print it with the tag that has players ask this balancer
    /// from where to play.
    AddSteering(AddSteering),
    /// Ask one server once whether it works, as the checks of kernel mode do. Exit code 0 when it does, 1 when not.
    CheckServer(CheckServer),
    /// Print the sections of kernel mode that say what a configuration of ldirectord says.
    ImportLdirectord(Import),
    /// Print the sections of kernel mode that say what the virtual servers of keepalived's configuration say.
    ImportKeepalived(Import),
    /// Print keepalived's configuration for one of two directors, which moves the virtual addresses of all services.
    KeepalivedConf(KeepalivedConf),
    /// Look for what keeps kernel mode from working on this machine, and say what to do; exit code 1 when there is something.
    Doctor(Doctor),
}

/// Does what the command line says.
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
