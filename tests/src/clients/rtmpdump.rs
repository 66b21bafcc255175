//! rtmpdump, the program of librtmp.

use std::time::Duration;

use crate::binaries;
use crate::process::{self, Finished};

/// Plays an RTMP URL and discards the media.
///
/// # Panics
/// When it does not end in time: it hangs on a connection that stays open after a rejection.
#[track_caller]
#[must_use]
pub fn rtmpdump(url: &str, within: Duration) -> Finished {
    let mut command = process::command(binaries::installed("rtmpdump"));
    command.args(["--live", "--rtmp", url, "--flv", "/dev/null"]);
    process::run(command, within)
}
