//! One director of a pair: receives the VRRP state from keepalived, and reports to it whether this director can serve.
//!
//! keepalived moves the virtual addresses. On every state change it writes a line to a named pipe (`vrrp_notify_fifo`). It reads
//! a number from a file (`track_file`), and adds it to the priority of this director.

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
use super::status::{ServiceStatus, State};
use crate::settings::Directors;

/// Maximum length of a notification, in bytes. It contains the operator's name of a VRRP instance.
const MAX_LINE: u64 = 1024;

/// How often the pipe is checked. keepalived deletes a pipe that it has created when it stops, and creates another when it
/// starts.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// Value that keepalived adds to the priority of this director.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum TrackValue {
    /// All services have servers.
    Healthy = 0,
    /// Some services have no server, the kernel is not in its desired state, or this director is about to stop. The other
    /// director takes over if it is healthy.
    HandOver = -100,
    /// No service has a server. keepalived releases the addresses, whatever the state of the other director.
    Fault = -254,
}

impl TrackValue {
    /// The value for this state of kernel mode. If only some services have no server, the others are still served, perhaps on
    /// both directors, so neither may release the addresses.
    #[must_use]
    pub fn of(state: &State, services: &[ServiceStatus]) -> Self {
        let mut listed =
            services.iter().flat_map(|service| service.servers.values()).filter_map(|server| server.listed);
        if !listed.any(|listed| listed.destination.is_live()) {
            Self::Fault
        } else if *state == State::Running && services.iter().all(ServiceStatus::is_live) {
            Self::Healthy
        } else {
            Self::HandOver
        }
    }
}

/// keepalived's track file.
#[derive(Debug)]
pub(super) struct TrackFile {
    path: PathBuf,
    written: Option<TrackValue>,
}

impl TrackFile {
    /// A file to which nothing has been written yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, written: None }
    }

    /// Path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The value that was last written.
    pub(super) fn written(&self) -> Option<TrackValue> {
        self.written
    }

    /// Writes `value` if it has changed.
    ///
    /// # Errors
    /// A text with the path.
    pub(super) fn write(&mut self, value: TrackValue) -> Result<(), String> {
        if self.written != Some(value) {
            // In place, since keepalived watches the file itself, not its name.
            let written = fs::write(&self.path, format!("{}\n", value as i16));
            written.map_err(|error| format!("keepalived track file {}: {error}", self.path.display()))?;
            self.written = Some(value);
        }
        Ok(())
    }
}

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

/// The sync daemons for this role. A director that does not know its role yet receives connections.
#[must_use]
pub fn sync_daemons(directors: &Directors, role: Option<Role>) -> Option<BTreeMap<Role, Daemon>> {
    let interface = directors.sync_interface.clone()?;
    let (role, sync_id) = (role.unwrap_or(Role::Backup), directors.sync_id);
    let daemon = Daemon { role, interface, sync_id, datagram_length: None, group: None, port: None, ttl: None };
    Some(BTreeMap::from([(role, daemon)]))
}

/// Role of this director by the sync daemons that a previous balancer started. keepalived reports changes only.
#[must_use]
pub fn role_from_daemons(running: &BTreeMap<Role, Daemon>) -> Option<Role> {
    running.keys().copied().min_by_key(|role| *role != Role::Master)
}

/// Returns whether this director has the addresses and is about to delete or drain its last server. It must release the
/// addresses first. Otherwise clients would be refused until it has, and connections that the other director knows would be
/// lost.
#[must_use]
pub fn must_release_addresses<'a>(
    role: Option<Role>,
    desired: impl IntoIterator<Item = &'a Table>,
    kernel: &Snapshot,
) -> bool {
    let (mut serves, mut served) = (false, false);
    for (key, service) in desired.into_iter().flatten() {
        serves |= service.destinations.values().any(Destination::is_live);
        served |= kernel.destinations.get(key).into_iter().flatten().any(|listed| listed.destination.is_live());
    }
    role == Some(Role::Master) && served && !serves
}

/// Receives keepalived's notifications.
#[derive(Debug)]
pub(super) struct NotifyFifo {
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
    /// Opens the pipe, and creates it if it does not exist. On an error, it tries again every second. Must be called within a
    /// runtime.
    pub(super) fn new(path: &Path) -> Self {
        let mut checks = tokio::time::interval_at(Instant::now() + CHECK_PERIOD, CHECK_PERIOD);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { path: path.to_owned(), pipe: Pipe::open(path), checks, instances: VrrpInstances::default() }
    }

    /// Why no notifications are received, with the path.
    pub(super) fn error(&self) -> Option<String> {
        let error = self.pipe.as_ref().err()?;
        Some(format!("keepalived notify FIFO {}: {error}", self.path.display()))
    }

    /// Waits for the next notification, and returns the role of this director.
    pub(super) async fn next(&mut self) -> Option<Role> {
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
    use std::net::IpAddr;

    use super::*;
    use crate::desired::FamilyStatus;
    use crate::model::{Family, Forwarding, Mark, Server, Service, ServiceEntry, ServiceKey};
    use crate::netlink::ipvs::ListedDestination;
    use crate::status::ServerStatus;

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

    #[test]
    fn a_restarted_balancer_knows_its_role_from_the_sync_daemons() {
        let daemon = |role| (role, Daemon::clone(&sync_daemons(&synchronised(), Some(role)).unwrap()[&role]));
        assert_eq!(role_from_daemons(&BTreeMap::new()), None);
        assert_eq!(role_from_daemons(&BTreeMap::from([daemon(Role::Backup)])), Some(Role::Backup));
        let both = BTreeMap::from([daemon(Role::Backup), daemon(Role::Master)]);
        assert_eq!(role_from_daemons(&both), Some(Role::Master));
    }

    fn synchronised() -> Directors {
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
    fn a_master_releases_its_addresses_before_it_loses_its_last_server() {
        let key = ServiceKey::Marked { family: Family::V4, mark: Mark::new(1).unwrap() };
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let kernel = |weight| Snapshot {
            destinations: BTreeMap::from([(key, vec![listed(one, weight), listed(other, 0)])]),
            ..Snapshot::default()
        };
        let service = |weight: Option<u32>| {
            let mut service = ServiceEntry::new(Service::new("wlc".parse().unwrap()));
            service.destinations.extend(weight.map(|weight| (Server::at(one), listed(one, weight).destination)));
            Table::from([(key, service)])
        };
        let must_release = |role, desired, kernel: Snapshot| must_release_addresses(role, [&desired], &kernel);
        assert!(must_release(Some(Role::Master), service(None), kernel(100)));
        assert!(must_release(Some(Role::Master), service(Some(0)), kernel(100)));
        assert!(!must_release(Some(Role::Master), service(Some(100)), kernel(100)));
        assert!(!must_release(Some(Role::Master), service(None), kernel(0)), "it has no server to lose");
        assert!(!must_release(Some(Role::Backup), service(None), kernel(100)));
        assert!(!must_release(None, service(None), kernel(100)), "the role is unknown");
    }

    #[test]
    fn the_track_value_follows_the_services() {
        let service = |server: Option<u32>| {
            let address = [10, 0, 0, 1].into();
            let listed = server.map(|weight| listed(address, weight));
            ServiceStatus {
                name: "media".to_owned(),
                mark: 1,
                scheduler: "wlc".to_owned(),
                quorum: 1,
                families: BTreeMap::from([(Family::V4, FamilyStatus { up: 1, is_sorry_active: false })]),
                servers: BTreeMap::from([(address, ServerStatus { listed, ..ServerStatus::default() })]),
            }
        };
        let (live, drained, dead) = (|| service(Some(1)), || service(Some(0)), || service(None));
        let failed = State::Failed("the kernel refused".to_owned());
        assert_eq!(TrackValue::of(&State::Running, &[live(), live()]), TrackValue::Healthy);
        assert_eq!(TrackValue::of(&State::Running, &[live(), dead()]), TrackValue::HandOver);
        assert_eq!(TrackValue::of(&failed, &[live()]), TrackValue::HandOver);
        assert_eq!(TrackValue::of(&State::Running, &[drained(), dead()]), TrackValue::Fault);
        assert_eq!(TrackValue::of(&failed, &[]), TrackValue::Fault);
    }

    #[test]
    fn the_track_file_has_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("track");
        let mut track_file = TrackFile::new(file.clone());
        for (value, text) in
            [(TrackValue::Healthy, "0\n"), (TrackValue::HandOver, "-100\n"), (TrackValue::Fault, "-254\n")]
        {
            track_file.write(value).unwrap();
            assert_eq!((fs::read_to_string(&file).unwrap().as_str(), track_file.written()), (text, Some(value)));
        }
    }

    #[test]
    fn a_track_file_that_cannot_be_written_is_an_error_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run/track");
        let mut track_file = TrackFile::new(file.clone());
        let error = track_file.write(TrackValue::Healthy).unwrap_err();
        assert!(error.starts_with(&format!("keepalived track file {}: ", file.display())), "{error}");
        assert_eq!(track_file.written(), None);
        fs::create_dir(folder.path().join("run")).unwrap();
        track_file.write(TrackValue::Healthy).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "0\n");
    }
}
