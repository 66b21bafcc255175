//! A machine of a scenario: a network namespace, which has devices, addresses, routes, firewall and IPVS of its own.

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

/// Where programs look that are told nothing: each machine has folders of its own there, though all have one file system.
const OWN_FOLDERS: [&str; 4] = ["/etc/keepalived", "/etc/weir", "/run/weir", "/var/lib/weir"];

/// A machine, gone when dropped. Sockets and programs that are still there keep what they have.
#[derive(Debug)]
pub struct Host {
    name: String,
    /// By this threads enter the namespace.
    namespace: File,
}

impl Host {
    /// A machine with nothing but loopback.
    ///
    /// # Panics
    /// When there is one of this name, or the kernel refuses.
    #[must_use]
    pub fn new(name: &str) -> Self {
        call(&format!("ip netns add {name}"));
        let namespace = File::open(format!("/run/netns/{name}")).expect("a namespace just made");
        let host = Self { name: name.to_owned(), namespace };
        // Addresses are this network's own: waiting for another host to claim them takes two seconds each.
        host.set("net/ipv6/conf/default/accept_dad", "0");
        host.call("ip link set lo up");
        host
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does something on this machine. A socket that is opened there stays there, wherever it is used afterwards, and a
    /// program that is started there runs there.
    ///
    /// # Panics
    /// When `work` does.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let there = || {
            enter(&self.namespace);
            work()
        };
        let outcome = thread::scope(|scope| {
            let named = thread::Builder::new().name(self.name.clone());
            named.spawn_scoped(scope, there).expect("a thread").join()
        });
        outcome.unwrap_or_else(|reason| panic::resume_unwind(reason))
    }

    /// Starts to do something on this machine.
    ///
    /// # Panics
    /// When there is no thread for it.
    pub fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
        let namespace = self.namespace.try_clone().expect("a descriptor");
        let there = move || {
            enter(&namespace);
            work()
        };
        thread::Builder::new().name(self.name.clone()).spawn(there).expect("a thread")
    }

    /// A program that finds this machine's own folders where programs look for them; to be [started](Host::start) here.
    ///
    /// # Panics
    /// When the machine has no room for them.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mounts = OWN_FOLDERS.map(|folder| {
            let own = self.own(folder);
            for folder in [Path::new(folder), &own] {
                fs::create_dir_all(folder).expect("a folder in memory");
            }
            format!("mount -o bind {} {folder} && ", own.display())
        });
        let mut command = Command::new("busybox");
        // The name of what runs is that behind `--`.
        command.args(["unshare", "--mount", "sh", "-c", &format!("{}exec \"$@\"", mounts.concat()), "--", program]);
        command
    }

    /// Where a file of the machine's own lies that its programs find under `path`.
    #[must_use]
    pub fn own(&self, path: &str) -> PathBuf {
        self.folder().join("own").join(path.trim_start_matches('/'))
    }

    /// Writes a file where the machine's programs find it: in one of the folders that each machine has for itself.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn furnish(&self, path: &str, text: &str) {
        let file = self.own(path);
        file.parent().map_or(Ok(()), fs::create_dir_all).expect("a folder in memory");
        fs::write(file, text).expect("a file in memory");
    }

    /// Runs lines of the shell on this machine to their end, and returns what they printed.
    ///
    /// # Panics
    /// When one fails, with what it complained of.
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

    /// Runs a program on this machine to its end and returns what it printed. The line is split at spaces; nothing is quoted.
    ///
    /// # Panics
    /// When it fails, with what it complained of.
    pub fn call(&self, line: &str) -> String {
        self.run(|| call(line))
    }

    /// Writes a file for programs on this machine. Only its place is the machine's own: all have one file system.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder().join(name);
        fs::write(&file, text).expect("a file in memory");
        file
    }

    /// A folder for what programs on this machine keep.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = PathBuf::from("/run/hosts").join(&self.name);
        fs::create_dir_all(&folder).expect("a folder in memory");
        folder
    }

    /// Sets a variable of `/proc/sys`, such as `net/ipv4/ip_forward`.
    ///
    /// # Panics
    /// When there is none of this name, or it does not take the value.
    pub fn set(&self, variable: &str, value: &str) {
        self.run(|| fs::write(format!("/proc/sys/{variable}"), value))
            .unwrap_or_else(|error| panic!("{}: {variable} = {value}: {error}", self.name));
    }

    /// What a file under `/proc/net` says on this machine.
    ///
    /// # Panics
    /// When there is no such file.
    #[must_use]
    pub fn proc_net(&self, file: &str) -> String {
        self.run(|| proc_net(file)).unwrap_or_else(|error| panic!("{}: /proc/net/{file}: {error}", self.name))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // After a failure, what is left is of no interest: the next scenario names its hosts anew, and would tell.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
        let _ = fs::remove_dir_all(self.folder());
    }
}

/// Moves the calling thread there, for good.
fn enter(namespace: &File) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may go anywhere");
}

/// What a file under `/proc/net` says where the calling thread is: `/proc/net` itself is that of the process's first one.
///
/// It is read in pieces as large as the kernel gives. Between two pieces of `ip_vs` it loses its place where other hosts have
/// services, too, for it counts these once and once not; what fits into a page comes whole.
pub(super) fn proc_net(file: &str) -> io::Result<String> {
    let mut file = File::open(format!("/proc/thread-self/net/{file}"))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut bytes = Vec::new();
    while let length @ 1.. = file.read(&mut buffer)? {
        bytes.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Runs a program where the calling thread is, to its end, and returns what it printed.
///
/// # Panics
/// When it fails, with what it complained of.
pub(super) fn call(line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{line}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{line}`: {}: {}", output.status, complaint.trim());
    String::from_utf8_lossy(&output.stdout).into_owned()
}
