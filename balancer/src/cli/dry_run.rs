//! `weir-balancer --dry-run`.

use weir_kernel::dry_run;
use weir_program::{Failure, Outcome, say};

use super::run::{Part, Run};

impl From<Part> for dry_run::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::All => Self::All,
            Part::Nft => Self::Nft,
            Part::Ipvsadm => Self::Ipvsadm,
        }
    }
}

/// Prints the changes that the configuration would make to an empty kernel.
pub(super) fn run(arguments: Run, part: Part) -> Outcome {
    let Some(settings) = arguments.config()?.kernel else {
        return Err(Failure::configuration("kernel mode is not configured; add a [[kernel.service]]"));
    };
    dry_run::script(&settings, part.into()).lines().for_each(say);
    Ok(())
}
