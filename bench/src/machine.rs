//! CPU affinity, and the processor time and memory of a process.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core for the measured server, and another for its clients.
///
/// On a shared core, the server would be charged for the cache misses that its clients cause.
#[derive(Debug)]
pub(crate) struct Cores {
    server: CpuSet,
    clients: CpuSet,
    /// Whether these are different cores.
    pub(crate) are_separate: bool,
}

impl Cores {
    /// Takes the first and the last core that this process may use, and moves the calling thread to the clients' core.
    ///
    /// # Errors
    /// Those of `sched_setaffinity(2)`.
    pub(crate) fn take() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let first = allowed.next().unwrap_or_default();
        let last = allowed.next_back().unwrap_or(first);
        let only = |core| {
            let mut set = CpuSet::new();
            set.set(core);
            set
        };
        let cores = Self { server: only(last), clients: only(first), are_separate: first != last };
        sched_setaffinity(None, &cores.clients)?;
        Ok(cores)
    }

    /// Calls `start` on the server's core. Processes that it starts stay there.
    ///
    /// # Errors
    /// Those of `sched_setaffinity(2)` and of `start`.
    pub(crate) fn on_server_core<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        sched_setaffinity(None, &self.server)?;
        let started = start();
        sched_setaffinity(None, &self.clients)?;
        started
    }
}

/// Raises the limit of open files of this process, and of those that it starts, to the maximum.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If that fails, so will connecting, with an error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Returns the processor time of all threads of a process so far, with nanosecond resolution.
///
/// # Errors
/// When the process does not exist, or the kernel does not account for it (`CONFIG_SCHED_INFO`).
pub(crate) fn processor_time(process: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let time = text.split(' ').next().and_then(|time| time.parse().ok());
        total += Duration::from_nanos(time.ok_or(io::ErrorKind::InvalidData)?);
    }
    Ok(total)
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All resident memory.
    pub(crate) resident: f64,
    /// Resident memory that is not backed by a file.
    pub(crate) anonymous: f64,
}

/// Returns the memory of a process.
///
/// # Errors
/// When the process does not exist.
pub(crate) fn memory(process: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| {
        let mut values = status.lines().filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        let kibibytes: Option<f64> = values.next().and_then(|value| value.parse().ok());
        kibibytes.map(|kibibytes| kibibytes * 1024.0).ok_or(io::ErrorKind::InvalidData)
    };
    Ok(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}
