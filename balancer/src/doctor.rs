//! `weir-balancer doctor`.

use std::path::Path;

use weir_balancer::Config;
use weir_balancer::ipvs::doctor::{Wanted, collect, judge};
use weir_program::{Failure, Outcome, say};

/// Prints what keeps the services of a configuration from working here.
pub(crate) fn run(file: &Path) -> Outcome {
    let config = Config::read(file).map_err(Failure::configuration)?;
    let services = config.kernel.services.iter();
    let wanted: Vec<Wanted> =
        services.map(|service| Wanted::of(service.get_ref(), config.kernel.set_sysctls)).collect();
    let findings = judge(&wanted, &collect::collect(&wanted));
    findings.iter().for_each(say);
    if findings.is_empty() {
        say("all is well");
        return Ok(());
    }
    Err(Failure::found(format_args!("{} findings", findings.len())))
}
