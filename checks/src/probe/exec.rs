//! A program that asks a server.

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
use crate::check;
use crate::failure::Awaited;

/// So many bytes of what a program prints are kept: its first line, or as much of it as fits a line of the log.
const MAX_LINE: usize = 200;

/// How long what a program has printed is read for after its end. It is there already; but a process that the program has
/// left behind may keep its output open for ever.
const GRACE: Duration = Duration::from_millis(100);

/// Runs the program, without a shell and without input, in a process group of its own. With exit code 0 the server works;
/// otherwise the first line that the program printed says why not, on standard output or else on standard error.
///
/// When its time is over, or this is cancelled, all of its process group is killed.
pub(super) async fn run(target: SocketAddr, command: &check::Command, deadline: Deadline) -> Result<(), Failure> {
    let mut started = Started::start(target, command)?;
    let (stdout, stderr) = (started.child.stdout.take(), started.child.stderr.take());
    let mut said = [Line::default(), Line::default()];
    let status = {
        let [output, errors] = &mut said;
        let mut reading = pin!(async { tokio::join!(output.read(stdout), errors.read(stderr)) });
        let exited = async {
            let mut exit = pin!(started.child.wait());
            tokio::select! {
                status = &mut exit => Ok((status?, false)),
                _ = &mut reading => Ok::<_, io::Error>((exit.await?, true)),
            }
        };
        let (status, is_read) = deadline.within(Awaited::Exit, exited).await?;
        // Its number may belong to another process from here on.
        started.group = None;
        if !is_read {
            let _ = timeout(GRACE, reading).await;
        }
        status
    };
    if status.success() {
        return Ok(());
    }
    let said = said.iter().map(Line::text).find(|line| !line.is_empty());
    Err(Failure::Exit(said.unwrap_or_else(|| describe(status))))
}

fn describe(status: ExitStatus) -> String {
    format!("the program ends with {status}")
}

/// The first line that a program prints.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Line {
    /// Reads to the end, or the program would wait for somebody to do so. Only the beginning is kept.
    async fn read(&mut self, source: Option<impl AsyncRead + Unpin>) {
        let Some(mut source) = source else { return };
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = source.read(&mut buffer).await {
            self.take(&buffer[..length]);
        }
    }

    fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            // Empty lines at the beginning are none.
            self.is_over |= (*byte == b'\n' && !self.bytes.is_empty()) || self.bytes.len() == MAX_LINE;
            if self.is_over {
                return;
            }
            if *byte != b'\n' {
                self.bytes.push(*byte);
            }
        }
    }

    /// As it can stand in a line of the log.
    fn text(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.bytes).chars().filter(|c| !c.is_control()).collect();
        text.trim().to_owned()
    }
}

/// A program that runs, and is killed with all that it started when this is dropped.
struct Started {
    child: Child,
    /// Its process group, until it has been waited for.
    group: Option<Pid>,
}

impl Started {
    fn start(target: SocketAddr, command: &check::Command) -> Result<Self, Failure> {
        let (address, port) = (target.ip().to_string(), target.port().to_string());
        let argument = |text: &String| text.replace("{address}", &address).replace("{port}", &port);
        let child = Command::new(&command.program)
            .args(command.arguments.iter().map(argument))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            // So that it is waited for, too.
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::ours(&command.program, &error))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, group })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may have ended by itself in this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
