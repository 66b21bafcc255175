//! Programs that check a server.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::deadline::Deadline;
use crate::Failure;
use crate::check::Program;
use crate::failure::Phase;

/// Maximum length of the reason, the first line of a program's output, in bytes. It has to fit into a line of the log.
const MAX_LINE: usize = 200;

/// Time limit for reading the output after the program has exited. The output is complete by then, but a process that
/// the program has left behind may keep the pipe open forever.
const GRACE: Duration = Duration::from_millis(100);

/// Runs the program, without a shell and without input, in its own process group. Exit code 0 is a success. Otherwise
/// the reason is the first line on standard output, or if there is none, on standard error.
///
/// On a time-out or cancellation, the whole process group is killed.
pub(super) async fn run(target: SocketAddr, program: &Program, deadline: Deadline) -> Result<(), Failure> {
    let mut process = Process::start(target, program)?;
    let (stdout, stderr) = (process.child.stdout.take(), process.child.stderr.take());
    let mut lines = [FirstLine::default(), FirstLine::default()];
    let status = {
        let [output, errors] = &mut lines;
        let mut reading = pin!(async { tokio::join!(output.read(stdout), errors.read(stderr)) });
        let exited = async {
            let mut exit = pin!(process.child.wait());
            tokio::select! {
                status = &mut exit => Ok((status?, false)),
                _ = &mut reading => Ok::<_, io::Error>((exit.await?, true)),
            }
        };
        let (status, is_read) = deadline.within(Phase::Exit, exited).await?;
        // From here on, the process group's number may be reused.
        process.group = None;
        if !is_read {
            // After the time limit, what has been read so far is used.
            let _ = timeout(GRACE, reading).await;
        }
        status
    };
    if status.success() {
        return Ok(());
    }
    let reason = lines.iter().map(FirstLine::text).find(|line| !line.is_empty());
    Err(Failure::Exit(reason.unwrap_or_else(|| describe(status))))
}

fn describe(status: ExitStatus) -> String {
    format!("program ended with {status}")
}

/// The first line of a program's output.
#[derive(Default)]
struct FirstLine {
    bytes: Vec<u8>,
    is_complete: bool,
}

impl FirstLine {
    /// Reads to the end, so that the program never blocks on a full pipe, and keeps the first line.
    async fn read(&mut self, source: Option<impl AsyncRead + Unpin>) {
        let Some(mut source) = source else { return };
        let mut buffer = [0; 1024];
        // An error ends the output: the exit code alone decides the outcome.
        while let Ok(length @ 1..) = source.read(&mut buffer).await {
            self.take(&buffer[..length]);
        }
    }

    fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            // Empty lines at the beginning are skipped.
            self.is_complete |= (*byte == b'\n' && !self.bytes.is_empty()) || self.bytes.len() == MAX_LINE;
            if self.is_complete {
                return;
            }
            if *byte != b'\n' {
                self.bytes.push(*byte);
            }
        }
    }

    /// The line without control characters, as safe text for the log.
    fn text(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.bytes).chars().filter(|c| !c.is_control()).collect();
        text.trim().to_owned()
    }
}

/// A running program. Dropping it kills the program and all processes of its group.
struct Process {
    child: Child,
    /// Its process group, until the program has been waited for.
    group: Option<Pid>,
}

impl Process {
    fn start(target: SocketAddr, program: &Program) -> Result<Self, Failure> {
        let (address, port) = (target.ip().to_string(), target.port().to_string());
        let argument = |text: &String| text.replace("{address}", &address).replace("{port}", &port);
        let child = Command::new(&program.path)
            .args(program.arguments.iter().map(argument))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            // Also makes tokio wait for the process after a cancellation, so that no zombie is left.
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::local(&program.path, &error))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Fails only if the process has just exited.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
