//! The fuzz targets in `fuzz/`, which is a workspace of its own: its flags come from its own `.cargo/config.toml`, and
//! cargo finds that by the folder that it is started in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// What an input may take, in seconds and MiB. The slowest takes milliseconds.
const LIMITS: [&str; 2] = ["-timeout=5", "-rss_limit_mb=1024"];

/// Checks format and lints of the targets.
pub(crate) fn check() -> Result<(), String> {
    cargo(&["fmt", "--check"])?;
    cargo(&["clippy", "--release", "--quiet", "--", "--deny", "warnings"])
}

/// Fuzzes every target that has a corpus, for `seconds` altogether.
pub(crate) fn run(seconds: u32) -> Result<(), String> {
    cargo(&["build", "--release"])?;
    let targets = targets().map_err(|error| format!("fuzz/corpus cannot be read: {error}"))?;
    // To libFuzzer 0 seconds are no limit.
    let each = (seconds / u32::try_from(targets.len()).unwrap_or(1).max(1)).max(1);
    for target in targets {
        fuzz(&target, each)?;
    }
    Ok(())
}

fn fuzz(target: &str, seconds: u32) -> Result<(), String> {
    let (found, artifacts) = (format!("target/corpus/{target}"), format!("artifacts/{target}/"));
    for made in [&found, &artifacts] {
        fs::create_dir_all(folder().join(made)).map_err(|error| format!("fuzz/{made}: {error}"))?;
    }
    let (time, prefix) = (format!("-max_total_time={seconds}"), format!("-artifact_prefix={artifacts}"));
    let corpus = format!("corpus/{target}");
    let run = ["run", "--quiet", "--release", "--bin", target, "--", &time, &prefix, "-print_final_stats=1"];
    // What libFuzzer says is of interest when it has found something, and its count of inputs.
    let output = command(&[&run[..], &LIMITS, &[&found, &corpus]].concat())
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!(
            "{target}: {}\n{said}\nthe input is in fuzz/{artifacts}, and fuzz/README.md says what to do",
            output.status
        ));
    }
    let inputs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    step::say(&format!("    {target}: {} inputs in {seconds} s\n", inputs.unwrap_or("?").trim()));
    Ok(())
}

fn targets() -> std::io::Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder().join("corpus"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            targets.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    step::command(&mut command(arguments))
}

fn command(arguments: &[&str]) -> Command {
    let mut command = step::cargo_command();
    // Flags of the surroundings would take the place of those that instrument the targets.
    command.args(arguments).current_dir(folder()).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}
