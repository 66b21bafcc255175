//! Packages from npm's index.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries;
use crate::once;
use crate::process;

/// The HLS player of most web pages. It needs no other package.
const HLS_JS: &str = "hls.js@1.7.4";
/// How long a package may take to be fetched.
const INSTALLATION: Duration = Duration::from_secs(120);

/// The file of hls.js that a page loads, fetched once for all test runs.
///
/// # Panics
/// When it cannot be fetched.
#[must_use]
pub fn hls_js() -> PathBuf {
    once::folder("hls.js", HLS_JS.as_bytes(), install).join("node_modules/hls.js/dist/hls.min.js")
}

fn install(folder: &PathBuf) {
    let mut command = process::command(binaries::installed("npm"));
    command.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"]);
    command.arg(Path::new(folder)).arg(HLS_JS);
    let finished = process::run(command, INSTALLATION);
    assert!(finished.status.success(), "npm cannot install {HLS_JS}\n{}{}", finished.stdout, finished.stderr);
}
