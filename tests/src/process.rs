//! A child process that never outlives its test.

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

/// The user and group that own nothing.
const NOBODY: &str = "65534";

/// A command whose process the kernel kills when the thread that started it ends.
///
/// [`Process`] ends its child on drop, which covers a panic; this covers a test run that is itself killed. It follows
/// that a [`Process`] must be started by the thread that keeps it, which tests do.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(binaries::installed("setpriv"));
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// [`command`] for a program that refuses to be run by root.
pub fn command_without_rights(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(binaries::installed("setpriv"));
    if geteuid().is_root() {
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A running program, in a process group of its own, killed with all that it started when dropped.
#[derive(Debug)]
pub struct Process {
    /// What messages call it.
    name: String,
    /// Reaped on drop at the latest.
    child: Child,
    /// Its process group, whose number is its own.
    group: Pid,
    /// Set once the child is reaped: its number may then belong to another process and must not be signalled.
    reaped: Option<ExitStatus>,
    /// What it wrote to standard output.
    pub stdout: Arc<Capture>,
    /// What it wrote to standard error.
    pub stderr: Arc<Capture>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// What messages call it.
    pub name: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Process {
    /// Starts a command made by [`command`].
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        // `setpriv --pdeathsig KILL -- program …`: the program is what people know.
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

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    pub fn terminate(&mut self) -> Finished {
        self.signal(Signal::TERM);
        self.finish(PATIENCE)
    }

    /// Interrupts it (SIGINT, Ctrl-C) and waits until it has stopped.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn interrupt(&mut self, within: Duration) -> Finished {
        self.signal(Signal::INT);
        self.finish(within)
    }

    /// Asks it to read its files again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Stops it where it stands (SIGSTOP), until it is [`Process::resume`]d.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it (SIGKILL): it has no time for last words.
    pub fn kill(&mut self) -> Finished {
        self.signal(Signal::KILL);
        self.finish(PATIENCE)
    }

    fn signal(&self, signal: Signal) {
        if self.reaped.is_none() {
            kill_process(self.group, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.reaped.is_some() || has_ended(self.group)
    }

    /// Waits until it ends on its own.
    ///
    /// # Panics
    /// When it does not in time, with what it printed.
    #[track_caller]
    pub fn finish(&mut self, within: Duration) -> Finished {
        if !self.has_ended() {
            wait::until(&format!("{} ends", self.name), within, || self.has_ended());
        }
        let status = self.reap();
        // The group is gone, so the pipes are closed and the readers about to see it.
        self.stdout.await_end(PATIENCE);
        self.stderr.await_end(PATIENCE);
        Finished { name: self.name.clone(), status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Ends the whole group, then reaps: until then the zombie keeps the group's number from being used again.
    fn reap(&mut self) -> ExitStatus {
        if let Some(status) = self.reaped {
            return status;
        }
        // Fails only when no process of the group is left.
        let _ = kill_process_group(self.group, Signal::KILL);
        let status = self.child.wait().unwrap_or_else(|error| panic!("cannot await {}: {error}", self.name));
        self.reaped = Some(status);
        status
    }

    /// Waits until `find` finds something in what was printed so far.
    ///
    /// # Panics
    /// When the program ends or [`PATIENCE`] passes first, with what it printed.
    #[track_caller]
    pub fn await_output<T>(&self, capture: &Capture, what: &str, find: impl FnMut(&str) -> Option<T>) -> T {
        capture.await_text(PATIENCE, find).unwrap_or_else(|reason| {
            panic!("{} did not say {what}: {reason}\n{}", self.name, self.transcript());
        })
    }

    fn transcript(&self) -> String {
        format!("--- {0} said:\n{1}--- {0} complained:\n{2}", self.name, self.stdout.tail(), self.stderr.tail())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
        if thread::panicking() {
            // The test has failed: what its programs said is the first thing to look at.
            eprintln!("{}", self.transcript());
        }
    }
}

impl Finished {
    /// Itself, when the program succeeded.
    ///
    /// # Panics
    /// When it failed, with what it printed.
    #[track_caller]
    #[must_use]
    pub fn expect_success(self) -> Self {
        assert!(self.status.success(), "{}: {}\n{}\n{}", self.name, self.status, self.stdout, self.stderr);
        self
    }
}

/// Runs a command made by [`command`] to its end.
///
/// # Panics
/// When it does not end in time.
#[track_caller]
#[must_use]
pub fn run(command: Command, within: Duration) -> Finished {
    Process::start(command).finish(within)
}

/// Looks without reaping, see [`Process::reap`].
fn has_ended(process: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(process), options).expect("the process is a child not yet reaped").is_some()
}
