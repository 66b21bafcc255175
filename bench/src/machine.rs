//! The cores, and what a process takes of them and of memory.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A core for the server that is measured, and another for what measures.
///
/// Were they to share one, a server would be charged for the caches that its clients have emptied.
#[derive(Debug)]
pub(crate) struct Cores {
    server: CpuSet,
    clients: CpuSet,
    /// Whether they are different ones.
    pub(crate) apart: bool,
}

impl Cores {
    /// Takes the first and the last that this process may use, and puts the calling thread on the clients'.
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
        let cores = Self { server: only(last), clients: only(first), apart: first != last };
        sched_setaffinity(None, &cores.clients)?;
        Ok(cores)
    }

    /// Does something on the servers' core: processes that it starts stay there.
    ///
    /// # Errors
    /// Those of `sched_setaffinity(2)`, and its own.
    pub(crate) fn on_servers<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        sched_setaffinity(None, &self.server)?;
        let started = start();
        sched_setaffinity(None, &self.clients)?;
        started
    }
}

/// Lets this process, and those that it starts, have as many open files as they may.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // When it is refused, connecting says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Processor time that all threads of a process have taken so far, to the nanosecond.
///
/// # Errors
/// When there is no such process, or the kernel keeps no such account (`CONFIG_SCHED_INFO`).
pub(crate) fn processor_time(process: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let time = text.split(' ').next().and_then(|time| time.parse().ok());
        total += Duration::from_nanos(time.ok_or(io::ErrorKind::InvalidData)?);
    }
    Ok(total)
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) resident: f64,
    /// What of it is the process's own, and not of a file.
    pub(crate) anonymous: f64,
}

/// What a process holds now.
///
/// # Errors
/// When there is no such process.
pub(crate) fn memory(process: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| {
        let mut values = status.lines().filter_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
        let kibibytes: Option<f64> = values.next().and_then(|value| value.parse().ok());
        kibibytes.map(|kibibytes| kibibytes * 1024.0).ok_or(io::ErrorKind::InvalidData)
    };
    Ok(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}
