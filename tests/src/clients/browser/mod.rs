//! hls.js in Chromium, without a window.

mod page;

use self::page::Page;
use super::task::{Client, FRAMES, Room, Task};
use crate::binaries;
use crate::process::{self, Process};
use crate::wait::{PATIENCE, eventually};

/// The HLS player of most web pages.
pub const HLS_JS: Client = Client {
    name: "hls.js in Chromium",
    run: |task: &Task| Browser::play(&task.url).await_reports("rendered frames", has_shown_frames),
};

/// Restricts the browser to the loopback, and allows autoplay.
const OPTIONS: [&str; 13] = [
    "--headless=new",
    // It may run as root in a container, and only loads the page of the test.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    // The balancer's certificate is self-signed.
    "--ignore-certificate-errors",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.*",
    "--autoplay-policy=no-user-gesture-required",
];

/// A browser that plays a stream until it is dropped.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    page: Page,
    /// Contains its profile; removed on drop.
    _room: Room,
}

impl Browser {
    /// Starts a browser with a page that plays this multivariant playlist.
    #[must_use]
    pub fn play(url: &str) -> Self {
        let (room, page) = (Room::new(), Page::serve());
        let mut command = process::command(binaries::installed("chromium"));
        command.args(OPTIONS).arg(format!("--user-data-dir={}", room.path().display())).arg(page.url(url));
        Self { process: room.start(command), page, _room: room }
    }

    /// The reports of the page so far: `fragment URL`, `frames COUNT`, `error DETAILS`, `fatal DETAILS`.
    #[must_use]
    pub fn reports(&self) -> Vec<String> {
        self.page.reports()
    }

    /// Waits until `accept` accepts the reports of the page.
    ///
    /// # Errors
    /// The reports, when playback has failed for good.
    #[track_caller]
    pub fn await_reports(&self, what: &str, accept: impl Fn(&[String]) -> bool) -> Result<(), String> {
        eventually(what, PATIENCE * 2, || {
            let reports = self.reports();
            let failed = self.process.has_ended() || reports.iter().any(|report| report.starts_with("fatal "));
            match (accept(&reports), failed) {
                (true, _) => Ok(Ok(())),
                (false, true) => Ok(Err(format!("{reports:?}"))),
                (false, false) => Err(format!("{reports:?}")),
            }
        })
    }
}

fn has_shown_frames(reports: &[String]) -> bool {
    let frames = reports.iter().filter_map(|report| report.strip_prefix("frames ")?.parse::<u32>().ok());
    frames.max().is_some_and(|shown| shown >= FRAMES)
}
