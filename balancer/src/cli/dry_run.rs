//! `weir-balancer --dry-run`.

use clap::ValueEnum;
use weir_kernel::dry_run;
use weir_program::{Failure, Outcome, say};

use super::run::Run;

/// What a dry run prints.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Part {
    /// Both, each under a heading.
    All,
    /// The table that marks packets.
    Nft,
    /// Services and servers.
    Ipvsadm,
}

impl From<Part> for dry_run::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::All => Self::All,
            Part::Nft => Self::Nft,
            Part::Ipvsadm => Self::Ipvsadm,
        }
    }
}

/// Prints what the kernel would be told.
pub(super) fn run(arguments: Run, part: Part) -> Outcome {
    let Some(settings) = arguments.config()?.kernel else {
        return Err(Failure::configuration(
            "there is nothing for the kernel: add a [[kernel.service]] to the configuration",
        ));
    };
    dry_run::script(&settings, part.into()).lines().for_each(say);
    Ok(())
}
