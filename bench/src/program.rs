//! Programs that are measured.

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

/// How often a program that chooses no port of its own is given another.
const ATTEMPTS: usize = 5;
/// How often, and how far apart, it is looked whether it listens.
const LOOKS: usize = 250;
const PAUSE: Duration = Duration::from_millis(20);

/// The exit code of a program that does not understand its configuration (`EX_USAGE` of sysexits.h).
const CONFIGURATION_REFUSED: i32 = 64;

/// A running program, which ends when this is dropped, and with this process at the latest.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    complaints: PathBuf,
}

impl Program {
    /// Starts one, on the servers' core if there are `cores`; `folder` takes what it complains about.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start<A: AsRef<OsStr>>(
        cores: Option<&Cores>,
        folder: &Path,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> io::Result<Self> {
        let complaints = folder.join("stderr");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(arguments);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&complaints)?);
        let mut child = match cores {
            Some(cores) => cores.on_servers(|| command.spawn()),
            None => command.spawn(),
        }?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { child, output: BufReader::new(output), complaints })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The address that it prints behind these words.
    ///
    /// # Errors
    /// When it ends instead: what it complained about; [`io::ErrorKind::Unsupported`] when that was its configuration.
    pub(crate) fn address_after(&mut self, words: &str) -> io::Result<SocketAddr> {
        let mut line = String::new();
        while self.output.read_line(&mut line)? > 0 {
            let address = line.trim_end().strip_prefix(words).and_then(|rest| rest.split(' ').next());
            if let Some(address) = address.and_then(|address| address.parse().ok()) {
                return Ok(address);
            }
            line.clear();
        }
        let refused = self.child.wait()?.code() == Some(CONFIGURATION_REFUSED);
        let kind = if refused { io::ErrorKind::Unsupported } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, self.complaints()))
    }

    /// Stops it where it stands, until it is resumed.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn suspend(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::STOP)?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn resume(&self) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// What it has complained about so far.
    fn complaints(&self) -> String {
        fs::read_to_string(&self.complaints).unwrap_or_default().trim().to_owned()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either fails only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program that cannot say which port it took: with one that is free, and if somebody else was faster, with
/// another.
///
/// # Errors
/// When it does not listen in any attempt: what it complained about.
pub(crate) fn with_free_port(start: impl Fn(SocketAddr) -> io::Result<Program>) -> io::Result<(Program, SocketAddr)> {
    let mut complaints = String::new();
    for _ in 0..ATTEMPTS {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut program = start(address)?;
        for _ in 0..LOOKS {
            if program.has_ended() {
                break;
            }
            if TcpStream::connect(address).is_ok() {
                return Ok((program, address));
            }
            thread::park_timeout(PAUSE);
        }
        complaints = program.complaints();
    }
    Err(io::Error::other(format!("it does not listen: {complaints}")))
}

/// Where a program of the system is.
///
/// # Errors
/// When it is not installed: what to do about it.
pub(crate) fn installed(name: &str, package: &str) -> io::Result<PathBuf> {
    // Debian keeps servers where an ordinary user's PATH does not look.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).ok_or_else(|| {
        io::Error::other(format!(
            "`{name}` is not installed: `cargo xtask bench fronts` installs it, or on Debian or Ubuntu run `apt-get \
             install --no-install-recommends {package}`"
        ))
    })
}

/// An empty folder `target/bench/NAME`.
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
