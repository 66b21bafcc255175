//! Runs QEMU without KVM, which works on any host but is an order of magnitude slower than real hardware.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Maximum time without output from the guest. Booting takes ten seconds, and each scenario ends with a line.
const SILENCE: Duration = Duration::from_secs(120);

/// Maximum run time of all scenarios together.
const LIFETIME: Duration = Duration::from_secs(20 * 60);

/// `quiet` leaves only errors on the console. With `panic=-1` and `-no-reboot` a panic ends the machine at once. The
/// clock is QEMU's HPET: the TSC is calibrated during boot, and on a busy host time would then run several times too
/// fast.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable clocksource=hpet";

/// A running guest, killed on drop.
#[derive(Debug)]
pub(crate) struct Machine {
    child: Child,
    /// Lines from its serial console.
    lines: Receiver<String>,
    deadline: Instant,
}

impl Machine {
    /// Boots a kernel; `arguments` are those of its first process.
    pub(crate) fn start(kernel: &Path, initramfs: &Path, arguments: &[&str]) -> Result<Self, String> {
        // Killed by the kernel when this process ends in any way.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", "512"]);
        command.args(["-nographic", "-nodefaults", "-no-user-config", "-no-reboot"]);
        command.args(["-serial", "stdio", "-monitor", "none"]);
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
        command.args(["-append", &format!("{KERNEL_ARGUMENTS} -- {}", arguments.join(" "))]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("cannot start qemu-system-x86_64: {error}"))?;
        let lines = child.stdout.take().map(read_lines).ok_or("the serial console is not a pipe")?;
        Ok(Self { child, lines, deadline: Instant::now() + LIFETIME })
    }

    /// Returns the next line, or `None` if the guest has ended.
    ///
    /// # Errors
    /// If the guest exceeds [`SILENCE`] or [`LIFETIME`].
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, String> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(remaining.min(SILENCE)) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) if remaining < SILENCE => {
                Err(format!("the guest was still running after {LIFETIME:?}"))
            }
            Err(RecvTimeoutError::Timeout) => Err(format!("no output from the guest for {SILENCE:?}")),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Fails if it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            if sender.send(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()).is_err() {
                return;
            }
        }
    });
    lines
}
