//! `weir-agent direct-routing`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use weir_edge_agent::direct_routing::plan::{self, Step};
use weir_edge_agent::direct_routing::{Record, State, kernel};
use weir_program::{Failure, Outcome, say};

use crate::cli::{Action, DirectRouting};

/// The record's name in the state folder.
const RECORD: &str = "direct-routing";

/// Prints, makes, checks or undoes what a real server needs.
pub(crate) fn run(arguments: DirectRouting) -> Outcome {
    let addresses: BTreeSet<IpAddr> = arguments.address.into_iter().collect();
    let state =
        kernel::read().map_err(|error| Failure::unavailable(format_args!("the kernel does not answer: {error}")))?;
    let file = arguments.place.folder().join(RECORD);
    match arguments.action {
        Action::Print => plan::prepare(&addresses, &State::default()).iter().for_each(say),
        Action::Apply => {
            let steps = plan::prepare(&addresses, &state);
            let mut record = read(&file)?;
            steps.iter().for_each(|step| record.add(step, &state));
            // Recorded before it is made: what is recorded but was not made is undone without harm.
            write(&file, &record)?;
            make(&steps)?;
        }
        Action::Undo => {
            let (steps, left) = read(&file)?.undo(&addresses, &state);
            make(&steps)?;
            write(&file, &left)?;
        }
        Action::Verify => {
            let findings = plan::verify(&addresses, &state);
            findings.iter().for_each(say);
            if !findings.is_empty() {
                return Err(Failure::negative(format_args!("{} findings", findings.len())));
            }
            say("ready for direct routing");
        }
    }
    Ok(())
}

fn make(steps: &[Step]) -> Outcome {
    for step in steps {
        kernel::make(step).map_err(|error| Failure::unavailable(format_args!("{step}: {error}")))?;
        say(step);
    }
    if steps.is_empty() {
        say("nothing was to be done");
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
    let folder = file.parent().map(PathBuf::from).unwrap_or_default();
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(file, record.to_text()));
    written.map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &io::Error) -> Failure {
    Failure::unavailable(format_args!("{}: {error}; name another folder with --state", file.display()))
}
