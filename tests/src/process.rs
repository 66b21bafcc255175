//! Child processes that never outlive their test.

mod capture;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, geteuid, kill_process, kill_process_group, waitid};

pub use self::capture::{Capture, complete_lines};
use crate::binaries;
use crate::wait::{self, PATIENCE};

/// The user and group `nobody`.
const NOBODY: &str = "65534";

/// Returns a command whose process the kernel kills when the thread that started it ends.
///
/// [`Process`] kills its child on drop, which covers a panic; this covers a test run that is killed itself. A
/// [`Process`] must therefore be started by the thread that keeps it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(binaries::installed("setpriv"));
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Returns a command as [`command`] does, for a program that must not run as root.
pub fn unprivileged_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(binaries::installed("setpriv"));
    if geteuid().is_root() {
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A running program in its own process group, which is killed on drop with all its children.
#[derive(Debug)]
pub struct Process {
    /// Name for messages.
    name: String,
    /// Reaped on drop at the latest.
    child: Child,
    /// Its process group id, which equals its process id.
    group: Pid,
    /// Set once the child is reaped. Its process id may then be reused and must not be signalled.
    reaped: Option<ExitStatus>,
    /// Standard output so far.
    pub stdout: Arc<Capture>,
    /// Standard error so far.
    pub stderr: Arc<Capture>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Name for messages.
    pub name: String,
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Process {
    /// Starts a command made by [`command`].
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        // `setpriv --pdeathsig KILL -- program …`: the name is that of the program, not of setpriv.
        let program =
            command.get_args().skip_while(|word| *word != "--").nth(1).unwrap_or_else(|| command.get_program());
        let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let group = Pid::from_child(&child);
        let stdout = Capture::read_from(child.stdout.take().expect("standard output is a pipe"));
        let stderr = Capture::read_from(child.stderr.take().expect("standard error is a pipe"));
        Self { name, child, group, reaped: None, stdout, stderr }
    }

    /// Returns its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM and waits until it has ended.
    ///
    /// # Panics
    /// If it has not ended within [`PATIENCE`].
    pub fn terminate(&mut self) -> Finished {
        self.signal(Signal::TERM);
        self.finish(PATIENCE)
    }

    /// Sends SIGINT (Ctrl-C) and waits until it has ended.
    ///
    /// # Panics
    /// If it has not ended in time.
    pub fn interrupt(&mut self, within: Duration) -> Finished {
        self.signal(Signal::INT);
        self.finish(within)
    }

    /// Sends SIGHUP, which makes it reload its files.
    pub fn send_sighup(&self) {
        self.signal(Signal::HUP);
    }

    /// Suspends it (SIGSTOP) until [`Process::resume`].
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// Resumes it (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it (SIGKILL).
    pub fn kill(&mut self) -> Finished {
        self.signal(Signal::KILL);
        self.finish(PATIENCE)
    }

    fn signal(&self, signal: Signal) {
        if self.reaped.is_none() {
            kill_process(self.group, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
        }
    }

    /// Returns whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.reaped.is_some() || has_ended(self.group)
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// If it has not ended in time, with its output.
    #[track_caller]
    pub fn finish(&mut self, within: Duration) -> Finished {
        if !self.has_ended() {
            wait::until(&format!("{} ends", self.name), within, || self.has_ended());
        }
        let status = self.reap();
        // The whole group has ended, so the pipes are closed and the readers are about to finish.
        self.stdout.await_end(PATIENCE);
        self.stderr.await_end(PATIENCE);
        Finished { name: self.name.clone(), status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Kills the whole group, then reaps the child. Until then its zombie keeps the group id from being reused.
    fn reap(&mut self) -> ExitStatus {
        if let Some(status) = self.reaped {
            return status;
        }
        // Fails only if no process of the group is left.
        let _ = kill_process_group(self.group, Signal::KILL);
        let status = self.child.wait().unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name));
        self.reaped = Some(status);
        status
    }

    /// Waits until `find` returns a value for the output so far.
    ///
    /// # Panics
    /// If the program ends or [`PATIENCE`] passes first, with its output.
    #[track_caller]
    pub fn await_output<T>(&self, capture: &Capture, description: &str, find: impl FnMut(&str) -> Option<T>) -> T {
        capture.await_text(PATIENCE, find).unwrap_or_else(|reason| {
            panic!("{} did not print {description}: {reason}\n{}", self.name, self.transcript());
        })
    }

    fn transcript(&self) -> String {
        format!("--- stdout of {0}:\n{1}--- stderr of {0}:\n{2}", self.name, self.stdout.tail(), self.stderr.tail())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
        if thread::panicking() {
            // The test has failed, so show the output of its programs.
            eprintln!("{}", self.transcript());
        }
    }
}

impl Finished {
    /// Returns itself if the program succeeded.
    ///
    /// # Panics
    /// If it failed, with its output.
    #[track_caller]
    #[must_use]
    pub fn expect_success(self) -> Self {
        assert!(self.status.success(), "{}: {}\n{}\n{}", self.name, self.status, self.stdout, self.stderr);
        self
    }
}

/// Runs a command made by [`command`] and waits until it has ended.
///
/// # Panics
/// If it has not ended in time.
#[track_caller]
#[must_use]
pub fn run(command: Command, within: Duration) -> Finished {
    Process::start(command).finish(within)
}

/// Returns whether a process has ended, without reaping it (see [`Process::reap`]).
fn has_ended(process: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(process), options).expect("the process is a child not yet reaped").is_some()
}
