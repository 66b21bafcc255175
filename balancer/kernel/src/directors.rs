//! One of two directors: keepalived says which, and is told whether this one is fit.
//!
//! keepalived moves the virtual addresses. It writes to a named pipe whenever that happens (`vrrp_notify_fifo`), and reads a
//! number from a file (`track_file`) that is added to this director's priority.

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

use super::kernel::Snapshot;
use super::model::{Daemon, Destination, Role, Table};
use super::status::{GroupStatus, State};
use crate::settings::Directors;

/// Longest line of keepalived's, in bytes. Names in it are the operator's own; what is longer is no line of keepalived's.
const LONGEST_LINE: u64 = 1024;

/// How often it is looked whether the pipe is still the one that is heard: keepalived deletes one that it has made when it
/// ends, and makes another when it starts.
const GLANCE: Duration = Duration::from_secs(1);

/// How fit this director is, as a number that is added to its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum Fitness {
    /// It serves.
    Fit = 0,
    /// It serves not all that it should, or is about to end: the other director is to take over, if that one is better.
    HandOver = -100,
    /// It serves nothing, and keepalived takes the addresses from it whoever else there is.
    Unfit = -254,
}

impl Fitness {
    /// By how kernel mode is doing. Where only some services have no server the others go on, even if it is so on both
    /// directors: neither may give the addresses away for nothing.
    #[must_use]
    pub fn of(state: &State, groups: &[GroupStatus]) -> Self {
        let mut listed = groups.iter().flat_map(|group| group.servers.values()).filter_map(|server| server.listed);
        if !listed.any(|listed| listed.destination.is_live()) {
            Self::Unfit
        } else if *state == State::Running && groups.iter().all(GroupStatus::is_live) {
            Self::Fit
        } else {
            Self::HandOver
        }
    }
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
pub fn daemons(config: &Directors, role: Option<Role>) -> Option<BTreeMap<Role, Daemon>> {
    let interface = config.sync_interface.clone()?;
    let role = role.unwrap_or(Role::Backup);
    let daemon =
        Daemon { role, interface, sync_id: config.sync_id, datagram_length: None, group: None, port: None, ttl: None };
    Some(BTreeMap::from([(role, daemon)]))
}

/// What this director was when the kernel was last told, for a balancer that starts anew: keepalived tells of changes only.
#[must_use]
pub fn remembered(running: &BTreeMap<Role, Daemon>) -> Option<Role> {
    running.keys().copied().min_by_key(|role| *role != Role::Master)
}

/// Whether this director has the addresses, and is about to lose its last server. It first lets go of them: clients that came
/// in between would be turned away, and those that the other one knows would lose their connections.
#[must_use]
pub fn is_to_let_go<'a>(role: Option<Role>, desired: impl IntoIterator<Item = &'a Table>, kernel: &Snapshot) -> bool {
    let (mut serves, mut served) = (false, false);
    for (key, service) in desired.into_iter().flatten() {
        serves |= service.destinations.values().any(Destination::is_live);
        served |= kernel.destinations.get(key).into_iter().flatten().any(|listed| listed.destination.is_live());
    }
    role == Some(Role::Master) && served && !serves
}

/// What keepalived says.
#[derive(Debug)]
pub(super) struct Notices {
    path: PathBuf,
    pipe: Pipe,
    glances: Interval,
    roles: Roles,
}

/// A named pipe that is heard.
#[derive(Debug)]
struct Pipe {
    lines: BufReader<pipe::Receiver>,
    /// What has come of a line so far, which outlives who waits for the rest.
    line: Vec<u8>,
    /// Device and number of the file: another one may have its name by now.
    identity: (u64, u64),
}

impl Notices {
    /// Opens the pipe, and makes it if there is none. Must be called within a runtime.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut glances = tokio::time::interval_at(Instant::now() + GLANCE, GLANCE);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { path: path.to_owned(), pipe: Pipe::open(path)?, glances, roles: Roles::default() })
    }

    /// Waits for the next line, and returns what this director is then.
    pub(super) async fn next(&mut self) -> Option<Role> {
        loop {
            tokio::select! {
                // What was written to a pipe is heard before another one is.
                biased;
                line = self.pipe.line() => {
                    info!("keepalived says: {}", line.escape_debug());
                    self.roles.take(&line);
                    return self.roles.role();
                }
                _ = self.glances.tick() => self.follow(),
            }
        }
    }

    /// Hears the pipe that has the name now. One that cannot be opened is tried again later.
    fn follow(&mut self) {
        if identity(&self.path).ok() != Some(self.pipe.identity)
            && let Ok(pipe) = Pipe::open(&self.path)
        {
            self.pipe = pipe;
        }
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
        // Before it is opened: when another one has come by then, that is seen at the next glance.
        let identity = identity(path)?;
        // For writing, too: otherwise it ends when keepalived does, and can be opened only while it runs.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(path)?;
        Ok(Self { lines: BufReader::new(receiver), line: Vec::new(), identity })
    }

    /// Waits for the next line.
    async fn line(&mut self) -> String {
        match (&mut self.lines).take(LONGEST_LINE).read_until(b'\n', &mut self.line).await {
            Ok(1..) => {
                let line = std::mem::take(&mut self.line);
                String::from_utf8_lossy(&line).trim_end().to_owned()
            }
            // It has no end, since this end can write to it.
            Ok(0) | Err(_) => std::future::pending().await,
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Tells keepalived.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn tell(track_file: &Path, fitness: Fitness) -> io::Result<()> {
    // In place: keepalived watches this very file.
    fs::write(track_file, format!("{}\n", fitness as i16))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::desired::Standing;
    use crate::model::{Family, Forwarding, Mark, Server, Service, ServiceKey, VirtualService};
    use crate::netlink::ipvs::ListedDestination;
    use crate::status::ServerStatus;

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

    #[tokio::test(start_paused = true)]
    async fn a_keepalived_that_starts_anew_is_heard_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let mut notices = Notices::open(&path).unwrap();
        fs::write(&path, "INSTANCE \"site\" STOP 100\n").unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(notices.next().await, Some(Role::Backup), "its last words");
        // Made by the other end, or by this one: whoever comes first.
        let heard = tokio::spawn(async move { notices.next().await });
        while !path.exists() {
            tokio::time::sleep(GLANCE).await;
        }
        fs::write(&path, "INSTANCE \"site\" MASTER 100\n").unwrap();
        assert_eq!(heard.await.unwrap(), Some(Role::Master));
    }

    #[test]
    fn a_balancer_that_starts_anew_knows_its_role_by_the_kernel() {
        let daemon = |role| (role, Daemon::clone(&daemons(&exchange(), Some(role)).unwrap()[&role]));
        assert_eq!(remembered(&BTreeMap::new()), None);
        assert_eq!(remembered(&BTreeMap::from([daemon(Role::Backup)])), Some(Role::Backup));
        let both = BTreeMap::from([daemon(Role::Backup), daemon(Role::Master)]);
        assert_eq!(remembered(&both), Some(Role::Master));
    }

    fn exchange() -> Directors {
        let interface = Some("eth0".parse().unwrap());
        Directors { sync_interface: interface, ..Directors::default() }
    }

    fn listed(address: IpAddr, weight: u32) -> ListedDestination {
        ListedDestination {
            server: Server::at(address),
            destination: Destination::new(Forwarding::Masquerade, weight),
            active: 0,
            inactive: 0,
            persistent: 0,
            counters: Default::default(),
        }
    }

    #[test]
    fn a_master_lets_go_before_it_loses_its_last_server() {
        let key = ServiceKey::Marked { family: Family::V4, mark: Mark::new(1).unwrap() };
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let kernel = |weight| Snapshot {
            destinations: BTreeMap::from([(key, vec![listed(one, weight), listed(other, 0)])]),
            ..Snapshot::default()
        };
        let service = |weight: Option<u32>| {
            let mut service = VirtualService::new(Service::new("wlc".parse().unwrap()));
            service.destinations.extend(weight.map(|weight| (Server::at(one), listed(one, weight).destination)));
            Table::from([(key, service)])
        };
        let lets_go = |role, desired, kernel: Snapshot| is_to_let_go(role, [&desired], &kernel);
        assert!(lets_go(Some(Role::Master), service(None), kernel(100)));
        assert!(lets_go(Some(Role::Master), service(Some(0)), kernel(100)));
        assert!(!lets_go(Some(Role::Master), service(Some(100)), kernel(100)));
        assert!(!lets_go(Some(Role::Master), service(None), kernel(0)), "there is nothing to lose");
        assert!(!lets_go(Some(Role::Backup), service(None), kernel(100)));
        assert!(!lets_go(None, service(None), kernel(100)), "there is no keepalived");
    }

    #[test]
    fn a_director_is_as_fit_as_what_it_serves() {
        let group = |server: Option<u32>| {
            let address = [10, 0, 0, 1].into();
            let listed = server.map(|weight| listed(address, weight));
            GroupStatus {
                name: "media".to_owned(),
                mark: 1,
                scheduler: "wlc".to_owned(),
                quorum: 1,
                standings: BTreeMap::from([(Family::V4, Standing { up: 1, is_sorry: false })]),
                servers: BTreeMap::from([(address, ServerStatus { listed, ..ServerStatus::default() })]),
            }
        };
        let (live, drained, dead) = (|| group(Some(1)), || group(Some(0)), || group(None));
        let failed = State::Failed("the kernel refuses".to_owned());
        assert_eq!(Fitness::of(&State::Running, &[live(), live()]), Fitness::Fit);
        assert_eq!(Fitness::of(&State::Running, &[live(), dead()]), Fitness::HandOver);
        assert_eq!(Fitness::of(&failed, &[live()]), Fitness::HandOver);
        assert_eq!(Fitness::of(&State::Running, &[drained(), dead()]), Fitness::Unfit);
        assert_eq!(Fitness::of(&failed, &[]), Fitness::Unfit);
    }

    #[test]
    fn keepalived_is_told_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("track");
        for (fitness, text) in [(Fitness::Fit, "0\n"), (Fitness::HandOver, "-100\n"), (Fitness::Unfit, "-254\n")] {
            tell(&file, fitness).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }
}
