//! `weir-agent direct-routing`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::Path;

use clap::{Args, ValueEnum};
use weir_edge_agent::direct_routing::plan::{self, Step};
use weir_edge_agent::direct_routing::{Record, State, kernel};
use weir_program::files::{self, Access};
use weir_program::{Failure, Outcome, say};

use super::StateFolder;

/// The name of the record in the state folder.
const RECORD: &str = "direct-routing";

#[derive(Args, Debug)]
pub(super) struct DirectRouting {
    /// Action to take.
    #[arg(value_enum, default_value = "print")]
    action: Action,
    /// Virtual address; may be repeated.
    #[arg(long, value_name = "ADDRESS", required = true, num_args = 1, value_parser = parse_virtual)]
    address: Vec<IpAddr>,
    #[command(flatten)]
    folder: StateFolder,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    /// Print the equivalent commands.
    Print,
    /// Apply the missing settings.
    Apply,
    /// List the missing settings; exit code 1 if there are any.
    Verify,
    /// Undo what `apply` did for these addresses.
    Undo,
}

/// Prints, applies, verifies or undoes the settings of a real server.
pub(super) fn run(arguments: DirectRouting) -> Outcome {
    let addresses: BTreeSet<IpAddr> = arguments.address.into_iter().collect();
    let state = kernel::read()
        .map_err(|error| Failure::unavailable(format_args!("network settings cannot be read: {error}")))?;
    let file = arguments.folder.path().join(RECORD);
    match arguments.action {
        Action::Print => plan::prepare(&addresses, &State::default()).iter().for_each(say),
        Action::Apply => {
            let steps = plan::prepare(&addresses, &state);
            let mut record = read(&file)?;
            steps.iter().for_each(|step| record.add(step, &state));
            // Recorded before it is applied: undoing a step that was not applied does no harm.
            write(&file, &record)?;
            apply(&steps)?;
        }
        Action::Undo => {
            let (steps, left) = read(&file)?.undo(&addresses, &state);
            apply(&steps)?;
            write(&file, &left)?;
        }
        Action::Verify => {
            let findings = plan::verify(&addresses, &state);
            findings.iter().for_each(say);
            if !findings.is_empty() {
                return Err(Failure::negative(format_args!(
                    "not ready for direct routing: {} findings",
                    findings.len()
                )));
            }
            say("ready for direct routing");
        }
    }
    Ok(())
}

fn apply(steps: &[Step]) -> Outcome {
    for step in steps {
        kernel::apply(step).map_err(|error| Failure::unavailable(format_args!("{step}: {error}")))?;
        say(step);
    }
    if steps.is_empty() {
        say("nothing to do");
    }
    Ok(())
}

fn read(file: &Path) -> Result<Record, Failure> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Record::parse(&text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Record::default()),
        Err(error) => Err(unusable(file, &error)),
    }
}

fn write(file: &Path, record: &Record) -> Outcome {
    files::replace(file, record.to_text().as_bytes(), Access::Everyone).map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format_args!("{}: {error}; choose another folder with --state", file.display()))
}

fn parse_virtual(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| "expected an IP address without port or prefix".to_owned())?;
    let is_usable = !address.is_loopback() && !address.is_unspecified() && !address.is_multicast();
    if is_usable { Ok(address) } else { Err("expected a unicast address that clients can reach".to_owned()) }
}
