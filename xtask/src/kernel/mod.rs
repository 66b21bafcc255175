//! `cargo xtask kernel`: the scenarios of `tests/scenarios/` in a kernel of their own.
//!
//! Kernel mode needs IPVS and root, and changes what the kernel does with packets. So Debian's cloud kernel boots under QEMU,
//! with a file system in memory that holds the programs; it runs the scenarios and ends. Nothing of this machine is touched.
//!
//! | module        | what it does                                                          |
//! |---------------|-----------------------------------------------------------------------|
//! | [`release`]   | fetches Debian's kernel and unpacks it                                |
//! | [`modules`]   | says which of its modules the guest has                               |
//! | [`image`]     | makes the guest's file system, the initramfs                          |
//! | [`libraries`] | finds what a program is linked with                                   |
//! | [`machine`]   | runs QEMU, and ends it                                                |
//! | [`console`]   | reads what the guest says: results, and the kernel's cries            |

mod console;
mod image;
mod libraries;
mod machine;
mod modules;
mod release;

use std::path::PathBuf;
use std::time::Instant;

use self::console::{Console, Event};
use self::image::Image;
use self::machine::Machine;
use self::release::Kernel;
use crate::{packages, step};

/// What runs in the guest; here it only says what it has.
const SCENARIOS: &str = "weir-kernel-scenarios";

/// Says which scenarios there are.
pub(crate) fn list() -> Result<(), String> {
    step::cargo(&["run", "--quiet", "--package", "weir-tests", "--bin", SCENARIOS, "--", "--list"])
}

/// Runs these scenarios, or all.
pub(crate) fn run(scenarios: &[&str]) -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("the guest is an amd64 machine, and runs programs that were built for this one".to_owned());
    }
    packages::install(packages::FOR_KERNEL)?;
    // The same words as in `cargo xtask test`: other packages would be other features, and all be built anew.
    step::cargo(&["build", "--workspace", "--bins"])?;
    let programs = programs()?;
    let folder = programs.parent().unwrap_or(&programs).join("kernel");
    let kernel = Kernel::in_folder(&folder)?;
    let image = Image::make(&folder, &kernel, &programs)?;
    watch(&mut Machine::start(&kernel.image, &image.file, scenarios)?)
}

/// Where cargo puts the programs: beside this one.
fn programs() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("the path of xtask is not known: {error}"))?;
    own.parent().map(PathBuf::from).ok_or_else(|| format!("{} lies in no folder", own.display()))
}

/// Shows what the guest says until it ends.
fn watch(machine: &mut Machine) -> Result<(), String> {
    let mut console = Console::default();
    let mut since = Instant::now();
    while let Some(line) = machine.next_line().map_err(|reason| console.obituary(&reason))? {
        let Some(event) = console.read(&line) else { continue };
        let seconds = since.elapsed().as_secs_f64();
        since = Instant::now();
        let told = match event {
            Event::Booted => format!("    booted in {seconds:.1} s\n"),
            Event::Started => continue,
            Event::Passed { name, measured } => format!("    {name}: ok, {seconds:.1} s: {measured}\n"),
            Event::Failed { name, reason, said } => format!("{said}    {name}: FAILED, {seconds:.1} s: {reason}\n"),
        };
        step::say(&told);
    }
    console.outcome()
}
