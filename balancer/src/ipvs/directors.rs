//! One of two directors: keepalived says which, and is told whether this one is fit.
//!
//! keepalived moves the virtual addresses. It writes to a named pipe whenever that happens (`vrrp_notify_fifo`), and reads a
//! number from a file (`track_file`) that is added to this director's priority.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tracing::{info, warn};

use super::model::{Daemon, Role};
use crate::config;

/// Longest line of keepalived's, in bytes. Names in it are the operator's own; what is longer is no line of keepalived's.
const LONGEST_LINE: u64 = 1024;

/// How fit this director is, as a number that is added to its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum Fitness {
    /// It serves.
    Fit = 0,
    /// It serves, and is about to end.
    HandOver = -100,
    /// It does not.
    Unfit = -254,
}

/// What keepalived's instances are, by their names.
#[derive(Debug, Default)]
pub struct Roles(BTreeMap<String, Role>);

impl Roles {
    /// Takes in a line such as `INSTANCE "site" MASTER 150`. Lines that say nothing of a role change nothing.
    pub fn take(&mut self, line: &str) {
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

    /// What this director is: master while it has any of the addresses. `None` before keepalived has said anything.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.0.values().copied().min_by_key(|role| *role != Role::Master)
    }
}

/// The exchange of connections in this role; a director that does not know yet listens.
#[must_use]
pub fn daemons(config: &config::kernel::Directors, role: Option<Role>) -> Option<BTreeMap<Role, Daemon>> {
    let interface = config.sync_interface.clone()?;
    let role = role.unwrap_or(Role::Backup);
    let daemon =
        Daemon { role, interface, sync_id: config.sync_id, datagram_length: None, group: None, port: None, ttl: None };
    Some(BTreeMap::from([(role, daemon)]))
}

/// What keepalived says.
#[derive(Debug)]
pub(super) struct Notices {
    lines: BufReader<pipe::Receiver>,
    /// What has come of a line so far, which outlives who waits for the rest.
    line: Vec<u8>,
    roles: Roles,
}

impl Notices {
    /// Opens the pipe, and makes it if there is none. Must be called within a runtime.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // For writing, too: otherwise it ends when keepalived does, and can be opened only while it runs.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path)?;
        Ok(Self { lines: BufReader::new(receiver), line: Vec::new(), roles: Roles::default() })
    }

    /// Waits for the next line, and returns what this director is then.
    pub(super) async fn next(&mut self) -> Option<Role> {
        match (&mut self.lines).take(LONGEST_LINE).read_until(b'\n', &mut self.line).await {
            Ok(1..) => {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                info!("keepalived says: {}", line.trim_end().escape_debug());
                self.roles.take(line.trim_end());
            }
            // It has no end, since this end can write to it.
            Ok(0) | Err(_) => std::future::pending().await,
        }
        self.roles.role()
    }
}

/// Tells keepalived.
pub(super) fn tell(track_file: &Path, fitness: Fitness) {
    // In place: keepalived watches this very file.
    if let Err(error) = fs::write(track_file, format!("{}\n", fitness as i16)) {
        warn!(file = %track_file.display(), %error, "keepalived cannot be told whether this director is fit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_director_is_master_while_it_has_any_of_the_addresses() {
        let mut roles = Roles::default();
        assert_eq!(roles.role(), None);
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
            roles.take(line);
            assert_eq!(roles.role(), Some(role), "{line}");
        }
    }

    #[tokio::test]
    async fn lines_of_the_pipe_are_heard_whoever_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/notify");
        let mut notices = Notices::open(&path).unwrap();
        for (line, role) in [("MASTER", Role::Master), ("BACKUP", Role::Backup)] {
            fs::write(&path, format!("INSTANCE \"site\" {line} 100\n")).unwrap();
            assert_eq!(notices.next().await, Some(role));
        }
    }

    #[test]
    fn keepalived_is_told_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("track");
        for (fitness, text) in [(Fitness::Fit, "0\n"), (Fitness::HandOver, "-100\n"), (Fitness::Unfit, "-254\n")] {
            tell(&file, fitness);
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }
}
