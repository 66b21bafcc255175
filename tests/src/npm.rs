//! Packages from the npm registry.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries;
use crate::cache;
use crate::process;

/// The most widely used HLS player for web pages. It has no dependencies.
const HLS_JS: &str = "hls.js@1.7.4";
/// Time limit for installing a package.
const INSTALLATION: Duration = Duration::from_secs(120);

/// Returns the path of the hls.js script, which is installed once for all test runs.
///
/// # Panics
/// If it cannot be installed.
#[must_use]
pub fn hls_js() -> PathBuf {
    cache::folder("hls.js", HLS_JS.as_bytes(), install).join("node_modules/hls.js/dist/hls.min.js")
}

fn install(folder: &PathBuf) {
    let mut command = process::command(binaries::installed("npm"));
    command.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"]);
    command.arg(Path::new(folder)).arg(HLS_JS);
    let finished = process::run(command, INSTALLATION);
    assert!(finished.status.success(), "npm cannot install {HLS_JS}\n{}{}", finished.stdout, finished.stderr);
}
