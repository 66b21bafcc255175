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
    run: |task: &Task| Browser::play(&task.url).await_reports("it shows some frames", has_shown_frames),
};

/// It talks to the loopback and to nobody else, and asks nobody's leave to play.
const OPTIONS: [&str; 13] = [
    "--headless=new",
    // It may be run by root, in a container; the only page that it shows is the test's own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    // The balancer's signs itself.
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
    /// Holds its profile; removed on drop.
    _room: Room,
}

impl Browser {
    /// Starts one on a page that plays this multivariant playlist.
    #[must_use]
    pub fn play(url: &str) -> Self {
        let (room, page) = (Room::new(), Page::serve());
        let mut command = process::command(binaries::installed("chromium"));
        command.args(OPTIONS).arg(format!("--user-data-dir={}", room.path().display())).arg(page.url(url));
        Self { process: room.start(command), page, _room: room }
    }

    /// What the page told so far, a line each: `fragment URL`, `frames COUNT`, `error WHAT`, `fatal WHAT`.
    #[must_use]
    pub fn reports(&self) -> Vec<String> {
        self.page.reports()
    }

    /// Waits until what the page told is as `accept` wants it.
    ///
    /// # Errors
    /// When playing has ended for good instead, with what the page told.
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
