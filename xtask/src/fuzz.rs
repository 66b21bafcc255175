//! Runs the fuzz targets in `fuzz/`. It is a separate workspace with its own `.cargo/config.toml`, which cargo finds
//! through the current folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// Limits for a single input, in seconds and MiB. The slowest real input takes milliseconds.
const LIMITS: [&str; 2] = ["-timeout=5", "-rss_limit_mb=1024"];

/// Checks the format and lints of the targets.
pub(crate) fn check() -> Result<(), String> {
    cargo(&["fmt", "--check"])?;
    cargo(&["clippy", "--release", "--quiet", "--", "--deny", "warnings"])
}

/// Fuzzes every target, for `seconds` in total.
pub(crate) fn run(seconds: u32) -> Result<(), String> {
    cargo(&["build", "--release"])?;
    let targets = targets().map_err(|error| format!("cannot read fuzz/fuzz_targets: {error}"))?;
    // At least 1 second: libFuzzer takes 0 as no limit.
    let each = (seconds / u32::try_from(targets.len()).unwrap_or(1).max(1)).max(1);
    for target in targets {
        fuzz(&target, each)?;
    }
    Ok(())
}

fn fuzz(target: &str, seconds: u32) -> Result<(), String> {
    let (found, artifacts) = (format!("target/corpus/{target}"), format!("artifacts/{target}/"));
    for created in [&found, &artifacts] {
        fs::create_dir_all(folder().join(created)).map_err(|error| format!("fuzz/{created}: {error}"))?;
    }
    let (time, prefix) = (format!("-max_total_time={seconds}"), format!("-artifact_prefix={artifacts}"));
    let corpus = format!("corpus/{target}");
    let run = ["run", "--quiet", "--release", "--bin", target, "--", &time, &prefix, "-print_final_stats=1"];
    // libFuzzer's output is shown only if it has found something; otherwise only its number of inputs is.
    let output = command(&[&run[..], &LIMITS, &[&found, &corpus]].concat())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!(
            "{target}: {}\n{log}\nthe input is in fuzz/{artifacts}; see fuzz/README.md for what to do",
            output.status
        ));
    }
    let inputs = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    step::print(&format!("    {target}: {} inputs in {seconds} s\n", inputs.unwrap_or("?").trim()));
    Ok(())
}

fn targets() -> std::io::Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder().join("fuzz_targets"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|extension| extension == "rs")) {
            targets.push(name.to_string_lossy().into_owned());
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
    // RUSTFLAGS from the environment would replace the flags that instrument the targets.
    command.args(arguments).current_dir(folder()).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}
