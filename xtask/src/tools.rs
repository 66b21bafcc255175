//! Development tools that are not in Debian, installed in `target/tools/` at a fixed version.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

/// Checks spelling: <https://github.com/crate-ci/typos>.
const TYPOS: &str = "typos==1.52.0";

/// Checks dependencies: <https://embarkstudios.github.io/cargo-deny/>.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// Checks the spelling of everything in the repository; `_typos.toml` lists the exceptions.
pub(crate) fn check_spelling() -> Result<(), String> {
    let folder = folder().join("python");
    let typos = folder.join("bin/typos");
    if !is_current(&folder, TYPOS) {
        step::command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        step::command(Command::new(folder.join("bin/pip")).args(["--quiet", "install", TYPOS]))?;
        mark_current(&folder, TYPOS)?;
    }
    step::command(Command::new(typos).current_dir(root()))
}

/// Checks licences, duplicate versions and sources of dependencies against `deny.toml`. Checks for known
/// vulnerabilities as well if the RustSec database is installed; it is not downloaded here.
pub(crate) fn check_dependencies() -> Result<(), String> {
    let folder = folder().join("cargo-deny");
    if !is_current(&folder, CARGO_DENY) {
        // Unoptimised: it builds in half the time, and runs for a second.
        let arguments = ["install", "--quiet", "--locked", "--debug", "--force", CARGO_DENY, "--root"];
        step::command(
            step::cargo_command().args(arguments).arg(&folder).args(["--target-dir"]).arg(folder.join("build")),
        )?;
        mark_current(&folder, CARGO_DENY)?;
    }
    let deny = |checks: &[&str]| {
        let mut command = Command::new(folder.join("bin/cargo-deny"));
        step::command(
            command
                .args(["--offline", "--log-level", "warn", "check", "--hide-inclusion-graph"])
                .args(checks)
                .current_dir(root()),
        )
    };
    deny(&["licenses", "bans", "sources"])?;
    if has_advisories() { deny(&["--disable-fetch", "advisories"]) } else { Ok(()) }
}

/// Returns whether the RustSec database is installed where cargo-deny looks for it.
fn has_advisories() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.is_some_and(|home| home.join("advisory-dbs").is_dir())
}

/// Checks that no dependency needs a newer Rust version than `rust-version` of the workspace.
pub(crate) fn check_rust_version() -> Result<(), String> {
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let text = step::output(step::cargo_command().args(arguments).current_dir(root()))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let version = |package: &serde_json::Value| package["rust_version"].as_str().and_then(parse_version);
    let is_ours = |package: &&serde_json::Value| package["source"].is_null();
    let ours = packages.iter().filter(is_ours).map(version).collect::<Option<Vec<_>>>();
    let ours = ours.ok_or("a package of the workspace lacks `rust-version.workspace = true`: add it")?;
    let supported = ours.iter().min().copied().ok_or("the workspace has no packages")?;
    for package in packages.iter().filter(|package| !is_ours(package)) {
        if let Some(needed) = version(package).filter(|needed| *needed > supported) {
            return Err(format!(
                "{} {} needs Rust {}.{}, but `rust-version` is {}.{}: raise it, or use an older version of the dependency",
                package["name"], package["version"], needed.0, needed.1, supported.0, supported.1
            ));
        }
    }
    let toolchain = step::output(Command::new("rustc").arg("--version"))?;
    let used = toolchain.split(' ').nth(1).and_then(parse_version).ok_or("`rustc --version` shows no version")?;
    step::print(&format!(
        "    all dependencies build with Rust {}.{}; this toolchain is {}.{}\n",
        supported.0, supported.1, used.0, used.1
    ));
    Ok(())
}

/// Returns the major and minor number of a version.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

/// Returns whether the tool in this folder has this version.
fn is_current(folder: &Path, version: &str) -> bool {
    std::fs::read_to_string(folder.join("version")).is_ok_and(|found| found == version)
}

fn mark_current(folder: &Path, version: &str) -> Result<(), String> {
    let file = folder.join("version");
    std::fs::write(&file, version).map_err(|error| format!("{}: {error}", file.display()))
}

fn folder() -> PathBuf {
    root().join("target/tools")
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
