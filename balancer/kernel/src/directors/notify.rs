//! keepalived's notifications: receives the VRRP state of this director.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::info;

use crate::model::Role;

/// Maximum length of a notification, in bytes. It contains the operator's name of a VRRP instance.
const MAX_LINE: u64 = 1024;

/// How often the pipe is checked. keepalived deletes a pipe that it has created when it stops, and creates another when
/// it starts.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// States of keepalived's VRRP instances, by name.
#[derive(Debug, Default)]
pub struct VrrpInstances(BTreeMap<String, Role>);

impl VrrpInstances {
    /// Applies a notification such as `INSTANCE "site" MASTER 150`. Lines without a state are ignored.
    pub fn update(&mut self, line: &str) {
        let mut words = line.rsplitn(3, ' ');
        let (_priority, state, name) = (words.next(), words.next(), words.next());
        let role = match state {
            Some("MASTER") => Role::Master,
            Some("BACKUP" | "FAULT" | "STOP" | "DELETED") => Role::Backup,
            _ => return,
        };
        if let Some(name) = name {
            self.0.insert(name.to_owned(), role);
        }
    }

    /// Role of this director: master if any instance is. `None` before the first notification.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.0.values().copied().min_by_key(|role| *role != Role::Master)
    }
}

/// Receives keepalived's notifications.
#[derive(Debug)]
pub(crate) struct NotifyFifo {
    path: PathBuf,
    pipe: io::Result<Pipe>,
    checks: Interval,
    instances: VrrpInstances,
}

/// An open named pipe.
#[derive(Debug)]
struct Pipe {
    lines: BufReader<pipe::Receiver>,
    /// The part of a line that has been read. It outlives a cancelled read.
    line: Vec<u8>,
    /// Device and inode of the file. Another file may have its name by now.
    identity: (u64, u64),
}

impl NotifyFifo {
    /// Opens the pipe, and creates it if it does not exist. On an error, it tries again every second. Must be called
    /// within a runtime.
    pub(crate) fn new(path: &Path) -> Self {
        let mut checks = tokio::time::interval_at(Instant::now() + CHECK_PERIOD, CHECK_PERIOD);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { path: path.to_owned(), pipe: Pipe::open(path), checks, instances: VrrpInstances::default() }
    }

    /// Why no notifications are received, with the path.
    pub(crate) fn error(&self) -> Option<String> {
        let error = self.pipe.as_ref().err()?;
        Some(format!("keepalived notify FIFO {}: {error}", self.path.display()))
    }

    /// Waits for the next notification, and returns the role of this director.
    pub(crate) async fn next(&mut self) -> Option<Role> {
        loop {
            tokio::select! {
                // All lines of a pipe are read before another one is opened.
                biased;
                line = next_line(&mut self.pipe) => match line {
                    Ok(line) => {
                        info!(line = %line.escape_debug(), "keepalived notification received");
                        self.instances.update(&line);
                        return self.instances.role();
                    }
                    Err(error) => self.pipe = Err(error),
                },
                _ = self.checks.tick() => self.reopen(),
            }
        }
    }

    /// Opens the pipe that has the name now, if it is another one or none is open.
    fn reopen(&mut self) {
        let is_current = match (&self.pipe, identity(&self.path)) {
            (Ok(pipe), Ok(identity)) => pipe.identity == identity,
            _ => false,
        };
        if !is_current {
            self.pipe = Pipe::open(&self.path);
        }
    }
}

/// Waits for the next line; forever if the pipe is not open.
async fn next_line(pipe: &mut io::Result<Pipe>) -> io::Result<String> {
    match pipe {
        Ok(pipe) => pipe.line().await,
        Err(_) => std::future::pending().await,
    }
}

impl Pipe {
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // Read before the pipe is opened: if the file is replaced in between, the next check finds a difference.
        let identity = identity(path)?;
        // Opened for writing as well: otherwise reads end when keepalived does, and opening waits until it runs.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path)?;
        Ok(Self { lines: BufReader::new(receiver), line: Vec::new(), identity })
    }

    /// Waits for the next line.
    async fn line(&mut self) -> io::Result<String> {
        match (&mut self.lines).take(MAX_LINE).read_until(b'\n', &mut self.line).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {
                let line = std::mem::take(&mut self.line);
                Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
            }
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_director_is_master_while_any_instance_is() {
        let mut instances = VrrpInstances::default();
        assert_eq!(instances.role(), None);
        for (line, role) in [
            ("INSTANCE \"site four\" BACKUP 100", Role::Backup),
            ("INSTANCE \"site six\" MASTER 100", Role::Master),
            ("INSTANCE \"site four\" MASTER 100", Role::Master),
            ("INSTANCE \"site six\" FAULT 100", Role::Master),
            ("INSTANCE \"site four\" MASTER_RX_LOWER_PRI 100", Role::Master),
            ("MASTER", Role::Master),
            ("", Role::Master),
            ("INSTANCE \"site four\" STOP 100", Role::Backup),
        ] {
            instances.update(line);
            assert_eq!(instances.role(), Some(role), "{line}");
        }
    }

    #[tokio::test]
    async fn the_pipe_is_created_and_its_lines_are_received() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/notify");
        let mut fifo = NotifyFifo::new(&path);
        assert_eq!(fifo.error(), None);
        for (line, role) in [("MASTER", Role::Master), ("BACKUP", Role::Backup)] {
            fs::write(&path, format!("INSTANCE \"site\" {line} 100\n")).unwrap();
            assert_eq!(fifo.next().await, Some(role));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_that_cannot_be_opened_is_an_error_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/notify");
        fs::write(folder.path().join("run"), "a file instead of a folder").unwrap();
        let mut fifo = NotifyFifo::new(&path);
        assert!(fifo.error().unwrap().starts_with(&format!("keepalived notify FIFO {}: ", path.display())));
        fs::remove_file(folder.path().join("run")).unwrap();
        let received = tokio::spawn(async move {
            let role = fifo.next().await;
            (role, fifo.error())
        });
        while !path.exists() {
            tokio::time::sleep(CHECK_PERIOD).await;
        }
        fs::write(&path, "INSTANCE \"site\" MASTER 100\n").unwrap();
        assert_eq!(received.await.unwrap(), (Some(Role::Master), None));
    }

    #[tokio::test(start_paused = true)]
    async fn notifications_are_received_after_keepalived_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let mut fifo = NotifyFifo::new(&path);
        fs::write(&path, "INSTANCE \"site\" STOP 100\n").unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(fifo.next().await, Some(Role::Backup), "lines of the deleted pipe are read first");
        // Either end may create the pipe.
        let received = tokio::spawn(async move { fifo.next().await });
        while !path.exists() {
            tokio::time::sleep(CHECK_PERIOD).await;
        }
        fs::write(&path, "INSTANCE \"site\" MASTER 100\n").unwrap();
        assert_eq!(received.await.unwrap(), Some(Role::Master));
    }
}
