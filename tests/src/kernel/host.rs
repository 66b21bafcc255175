//! A machine of a scenario: a network namespace with its own devices, addresses, routes, packet filter and IPVS table.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rustix::fd::AsFd as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::Process;
use crate::wait::PATIENCE;

/// Default folders of programs. Each machine has its own, although all share a file system.
const PRIVATE_FOLDERS: [&str; 4] = ["/etc/keepalived", "/etc/weir", "/run/weir", "/var/lib/weir"];

/// A machine, deleted on drop. Sockets and programs that still use it keep the namespace.
#[derive(Debug)]
pub struct Host {
    name: String,
    /// Handle for entering the namespace.
    namespace: File,
}

impl Host {
    /// Creates a machine that has only loopback.
    ///
    /// # Panics
    /// If the name is in use, or the kernel refuses.
    #[must_use]
    pub fn new(name: &str) -> Self {
        call(&format!("ip netns add {name}"));
        let namespace = File::open(format!("/run/netns/{name}")).expect("a namespace just created");
        let host = Self { name: name.to_owned(), namespace };
        // Addresses are unique in this network. Duplicate address detection would take two seconds for each.
        host.set_sysctl("net/ipv6/conf/default/accept_dad", "0");
        host.call("ip link set lo up");
        host
    }

    /// Name of the machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on this machine. Sockets that it opens remain on the machine, wherever they are used, and programs
    /// that it starts run there.
    ///
    /// # Panics
    /// If `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let work = || {
            enter(&self.namespace);
            work()
        };
        let outcome = thread::scope(|scope| {
            let named = thread::Builder::new().name(self.name.clone());
            named.spawn_scoped(scope, work).expect("a thread").join()
        });
        outcome.unwrap_or_else(|reason| panic::resume_unwind(reason))
    }

    /// Starts `work` in a thread on this machine.
    ///
    /// # Panics
    /// If no thread can be started.
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
        let namespace = self.namespace.try_clone().expect("a descriptor");
        let work = move || {
            enter(&namespace);
            work()
        };
        thread::Builder::new().name(self.name.clone()).spawn(work).expect("a thread")
    }

    /// Returns a command for a program that sees the machine's own default folders. Start it with [`Host::start`].
    ///
    /// # Panics
    /// If the folders cannot be created.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mounts = PRIVATE_FOLDERS.map(|folder| {
            let own = self.private_path(folder);
            for folder in [Path::new(folder), &own] {
                fs::create_dir_all(folder).expect("a folder in memory");
            }
            format!("mount -o bind {} {folder} && ", own.display())
        });
        let mut command = Command::new("busybox");
        // `Process` takes the program's name from the word after `--`.
        command.args(["unshare", "--mount", "sh", "-c", &format!("{}exec \"$@\"", mounts.concat()), "--", program]);
        command
    }

    /// Real path of a file that the machine's programs see at `path` in one of their default folders.
    #[must_use]
    pub fn private_path(&self, path: &str) -> PathBuf {
        self.folder().join("own").join(path.trim_start_matches('/'))
    }

    /// Writes a file to one of the default folders of the machine's programs.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn install_file(&self, path: &str, text: &str) {
        let file = self.private_path(path);
        file.parent().map_or(Ok(()), fs::create_dir_all).expect("a folder in memory");
        fs::write(file, text).expect("a file in memory");
    }

    /// Runs a shell script on this machine, and returns its output.
    ///
    /// # Panics
    /// If a command fails, with its standard error.
    pub fn shell(&self, lines: &str) -> String {
        let mut shell = self.command("sh");
        shell.args(["-e", "-c", lines]);
        self.start(shell).finish(PATIENCE).expect_success().stdout
    }

    /// Starts a program on this machine.
    #[must_use]
    pub fn start(&self, command: Command) -> Process {
        self.run(|| Process::start(command))
    }

    /// Runs a program on this machine, and returns its output. The line is split at spaces, without quoting.
    ///
    /// # Panics
    /// If it fails, with its standard error.
    pub fn call(&self, line: &str) -> String {
        self.run(|| call(line))
    }

    /// Writes a file to the machine's folder in the common file system, and returns its path.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder().join(name);
        fs::write(&file, text).expect("a file in memory");
        file
    }

    /// The machine's folder in the common file system.
    ///
    /// # Panics
    /// If it cannot be created.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = PathBuf::from("/run/hosts").join(&self.name);
        fs::create_dir_all(&folder).expect("a folder in memory");
        folder
    }

    /// Sets a sysctl, given by its path below `/proc/sys`, such as `net/ipv4/ip_forward`.
    ///
    /// # Panics
    /// If it does not exist, or does not accept the value.
    pub fn set_sysctl(&self, name: &str, value: &str) {
        self.run(|| fs::write(format!("/proc/sys/{name}"), value))
            .unwrap_or_else(|error| panic!("{}: {name} = {value}: {error}", self.name));
    }

    /// The contents of a file in `/proc/net` of this machine.
    ///
    /// # Panics
    /// If it cannot be read.
    #[must_use]
    pub fn proc_net(&self, file: &str) -> String {
        self.run(|| proc_net(file)).unwrap_or_else(|error| panic!("{}: /proc/net/{file}: {error}", self.name))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // After a failure, remains do no harm: a later scenario that reuses the name would fail with an error.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = fs::remove_dir_all(self.folder());
    }
}

/// Moves the calling thread into the namespace.
fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("root may enter any namespace");
}

/// The contents of a file in `/proc/net` of the calling thread's namespace. `/proc/net` itself is that of the main
/// thread's.
///
/// The file is read with a large buffer. Between two reads of `ip_vs`, the kernel loses its position if other
/// namespaces have services as well, because it counts them inconsistently. Contents that fit in a page are read at
/// once.
pub(super) fn proc_net(file: &str) -> io::Result<String> {
    let mut file = File::open(format!("/proc/thread-self/net/{file}"))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = Vec::new();
    while let length @ 1.. = file.read(&mut buffer)? {
        bytes.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Runs a program in the calling thread's namespace, and returns its output.
///
/// # Panics
/// If it fails, with its standard error.
pub(super) fn call(line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{line}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{line}`: {}: {}", output.status, errors.trim());
    String::from_utf8_lossy(&output.stdout).into_owned()
}
