//! The measured programs.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Cores;

/// How often a program that cannot choose a free port itself is started with another one.
const ATTEMPTS: usize = 5;
/// How often it is checked whether a program listens, and the time between two checks.
const CHECKS: usize = 250;
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The exit code of a program that rejects its configuration (`EX_USAGE` of sysexits.h).
const CONFIGURATION_REJECTED: i32 = 64;

/// A running program. It is killed when this is dropped, and at the latest with this process.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    /// The file with its error output.
    stderr: PathBuf,
}

impl Program {
    /// Starts a program, on the server's core if there are `cores`. Its error output goes to a file in `folder`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start<A: AsRef<OsStr>>(
        cores: Option<&Cores>,
        folder: &Path,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        let stderr = folder.join("stderr");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&stderr)?);
        let mut child = match cores {
            Some(cores) => cores.on_server_core(|| command.spawn()),
            None => command.spawn(),
        }?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, output: BufReader::new(output), stderr })
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it prints a line that starts with `words`, and returns the address that follows.
    ///
    /// # Errors
    /// When it exits before that, with its error output. [`io::ErrorKind::Unsupported`] when it rejected its
    /// configuration.
    pub(crate) fn address_after(&mut self, words: &str) -> io::Result<SocketAddr> {
        let mut line = String::new();
        while self.output.read_line(&mut line)? > 0 {
            let address = line.trim_end().strip_prefix(words).and_then(|rest| rest.split(' ').next());
            if let Some(address) = address.and_then(|address| address.parse().ok()) {
                return Ok(address);
            }
            line.clear();
        }
        let rejected = self.child.wait()?.code() == Some(CONFIGURATION_REJECTED);
        let kind = if rejected { io::ErrorKind::Unsupported } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, self.error_output()))
    }

    /// Stops it until it is resumed.
    ///
    /// # Errors
    /// When it has exited.
    pub(crate) fn suspend(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// Resumes it.
    ///
    /// # Errors
    /// When it has exited.
    pub(crate) fn resume(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// Returns its error output so far.
    fn error_output(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default().trim().to_owned()
    }

    fn has_exited(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program that cannot choose a free port itself, with a port that is free now. If another process takes that
/// port first, tries again with another.
///
/// # Errors
/// When it does not listen after any attempt, with its error output.
pub(crate) fn with_free_port(start: impl Fn(SocketAddr) -> io::Result<Program>) -> io::Result<(Program, SocketAddr)> {
    let mut output = String::new();
    for _ in 0..ATTEMPTS {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut program = start(address)?;
        for _ in 0..CHECKS {
            if program.has_exited() {
                break;
            }
            if TcpStream::connect(address).is_ok() {
                return Ok((program, address));
            }
            thread::park_timeout(CHECK_INTERVAL);
        }
        output = program.error_output();
    }
    Err(io::Error::other(format!("the program does not listen: {output}")))
}

/// Returns the path of a program of the system.
///
/// # Errors
/// When it is not installed, with the command that installs it.
pub(crate) fn installed(name: &str, package: &str) -> io::Result<PathBuf> {
    // Debian installs servers in folders that are not in an ordinary user's PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).ok_or_else(|| {
        io::Error::other(format!(
            "`{name}` is not installed: `cargo xtask bench fronts` installs it, or on Debian or Ubuntu run `apt-get \
             install --no-install-recommends {package}`"
        ))
    })
}

/// Returns an empty folder, `target/bench/NAME`.
///
/// # Errors
/// Those of the file system.
pub(crate) fn empty_folder(name: &str) -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&folder)?,
    }
    folder.canonicalize()
}
