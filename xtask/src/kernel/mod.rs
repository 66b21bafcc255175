//! `cargo xtask kernel`: runs the scenarios of `tests/scenarios/` in a virtual machine.
//!
//! Kernel mode needs IPVS and root, and changes how the kernel handles packets. Debian's cloud kernel therefore boots
//! under QEMU with an initramfs that contains the programs, runs the scenarios and powers off. The host is not
//! modified.
//!
//! | module        | what it does                                                          |
//! |---------------|-----------------------------------------------------------------------|
//! | [`release`]   | downloads and unpacks Debian's kernel                                 |
//! | [`modules`]   | selects and copies kernel modules                                     |
//! | [`image`]     | creates the initramfs of the guest                                    |
//! | [`files`]     | copies files and creates folders                                      |
//! | [`libraries`] | finds the shared libraries of a program                               |
//! | [`machine`]   | runs QEMU                                                             |
//! | [`console`]   | parses the guest's console: results, and errors of the kernel         |

mod console;
mod files;
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

/// The program that runs the scenarios in the guest. On the host it only lists them.
const SCENARIOS: &str = "weir-kernel-scenarios";

/// Lists the scenarios.
pub(crate) fn list() -> Result<(), String> {
    step::cargo(&["run", "--quiet", "--package", "weir-tests", "--bin", SCENARIOS, "--", "--list"])
}

/// Runs these scenarios, or all if none is given.
pub(crate) fn run(scenarios: &[&str]) -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        return Err(
            "the guest is an amd64 machine and runs programs built on this host, which has another architecture"
                .to_owned(),
        );
    }
    packages::install(packages::FOR_KERNEL)?;
    // The same arguments as in `cargo xtask test`: other packages would select other features and cause a rebuild.
    step::cargo(&["build", "--workspace", "--bins"])?;
    let programs = programs_folder()?;
    let folder = programs.parent().unwrap_or(&programs).join("kernel");
    let kernel = Kernel::in_folder(&folder)?;
    let image = Image::create(&folder, &kernel, &programs)?;
    watch(&mut Machine::start(&kernel.image, &image.file, scenarios)?)
}

/// Returns the folder of the programs that cargo has built, which is that of this program.
fn programs_folder() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find the path of xtask: {error}"))?;
    own.parent().map(PathBuf::from).ok_or_else(|| format!("{} has no parent folder", own.display()))
}

/// Prints the events of the guest until it ends.
fn watch(machine: &mut Machine) -> Result<(), String> {
    let mut console = Console::default();
    let mut since = Instant::now();
    while let Some(line) = machine.next_line().map_err(|reason| console.post_mortem(&reason))? {
        let Some(event) = console.read(&line) else { continue };
        let seconds = since.elapsed().as_secs_f64();
        since = Instant::now();
        let line = match event {
            Event::Booted => format!("    booted in {seconds:.1} s\n"),
            Event::Started => continue,
            Event::Passed { name, measured } => format!("    {name}: ok, {seconds:.1} s: {measured}\n"),
            Event::Failed { name, reason, output } => format!("{output}    {name}: FAILED, {seconds:.1} s: {reason}\n"),
        };
        step::print(&line);
    }
    console.outcome()
}
