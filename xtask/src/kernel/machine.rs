//! QEMU, without KVM: it runs wherever programs run, and takes a minute for what a machine does in seconds.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// For how long the guest may say nothing. Booting takes ten seconds, and each scenario ends with a line.
const SILENCE: Duration = Duration::from_secs(120);

/// How long all scenarios together may take.
const LIFETIME: Duration = Duration::from_secs(20 * 60);

/// `quiet` leaves errors on the console. A panic ends the machine at once, since it may not boot again. The clock is QEMU's: the
/// processor's is measured while booting, and on a busy machine time would then go by several times as fast.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable clocksource=hpet";

/// A running guest, ended when dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    child: Child,
    /// What it says on its serial line.
    lines: Receiver<String>,
    deadline: Instant,
}

impl Machine {
    /// Boots a kernel; `arguments` are those of its first process.
    pub(crate) fn start(kernel: &Path, initramfs: &Path, arguments: &[&str]) -> Result<Self, String> {
        // It ends with this process, however this one ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        command.args(["-accel", "tcg,thread=multi", "-cpu", "Nehalem", "-smp", "2", "-m", "512"]);
        command.args(["-nographic", "-nodefaults", "-no-user-config", "-no-reboot"]);
        command.args(["-serial", "stdio", "-monitor", "none"]);
        command.arg("-kernel").arg(kernel).arg("-initrd").arg(initramfs);
        command.args(["-append", &format!("{KERNEL_ARGUMENTS} -- {}", arguments.join(" "))]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("qemu-system-x86_64 cannot be started: {error}"))?;
        let lines = child.stdout.take().map(read_lines).ok_or("the serial line is no pipe")?;
        Ok(Self { child, lines, deadline: Instant::now() + LIFETIME })
    }

    /// What the guest says next; nothing when it has ended.
    ///
    /// # Errors
    /// When it is silent for too long.
    pub(crate) fn next_line(&mut self) -> Result<Option<String>, String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left.min(SILENCE)) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) if left < SILENCE => Err(format!("the guest ran for {LIFETIME:?}")),
            Err(RecvTimeoutError::Timeout) => Err(format!("the guest said nothing for {SILENCE:?}")),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
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
