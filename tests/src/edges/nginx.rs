//! nginx in its own folder, for the edges that are built on it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::Path;

use tempfile::TempDir;

use crate::balancer::folder;
use crate::binaries;
use crate::loopback;
use crate::process::{self, Process};
use crate::wait::{PATIENCE, eventually};

/// Maximum number of ports tried.
const ATTEMPTS: usize = 5;

/// A running nginx.
#[derive(Debug)]
pub(super) struct Nginx {
    /// The program.
    process: Process,
    /// Its loopback address.
    pub(super) address: Ipv4Addr,
    /// The ports in its configuration.
    pub(super) ports: [u16; 2],
    /// Holds the configuration, the logs and `html/`; removed on drop.
    folder: TempDir,
}

impl Nginx {
    /// Starts nginx. `blocks` returns the blocks of the configuration for an address and two ports, and must listen on
    /// the first. `port` is that first port, or a free one if `None`. Relative paths are below the folder.
    pub(super) fn start(port: Option<u16>, blocks: impl Fn(Ipv4Addr, [u16; 2]) -> String) -> Self {
        let folder = folder();
        fs::create_dir(folder.path().join("html")).expect("a folder for pages");
        open_to_workers(folder.path());
        for _ in 0..ATTEMPTS {
            let address = loopback::address();
            let first = port.unwrap_or_else(|| loopback::port(address));
            let ports = [first, loopback::other_port(address, first)];
            let process = launch(folder.path(), &blocks(address, ports));
            // nginx cannot bind port 0, so another program can take the port first; nginx then exits.
            let listening = eventually("nginx listens or ends", PATIENCE, || {
                match TcpStream::connect(SocketAddrV4::new(address, ports[0])) {
                    Ok(_) => Ok(true),
                    Err(_) if process.has_ended() => Ok(false),
                    Err(error) => Err(error.to_string()),
                }
            });
            if listening {
                return Self { process, address, ports, folder };
            }
        }
        let log = fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
        panic!("nginx did not start in {ATTEMPTS} attempts:\n{log}");
    }

    /// Returns the folder of its pages.
    pub(super) fn html(&self) -> std::path::PathBuf {
        self.folder.path().join("html")
    }

    /// Returns the contents of a log file, or nothing if it does not exist yet.
    pub(super) fn log(&self, name: &str) -> String {
        assert!(!self.process.has_ended(), "nginx has ended: {}", self.process.stderr.text());
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

fn launch(folder: &Path, blocks: &str) -> Process {
    let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {kind};\n"))
        .concat();
    let config = format!(
        "daemon off;\n\
         # A single process: nginx ends with it, and /stat includes every client.\n\
         master_process off;\n\
         pid nginx.pid;\n\
         error_log error.log info;\n\
         load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
         events {{}}\n\
         {}",
        blocks.replace("@scratch@", &scratch)
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).expect("write nginx.conf");
    let mut command = process::command(binaries::installed("nginx"));
    command.arg("-p").arg(folder).arg("-c").arg(file).arg("-e").arg(folder.join("error.log"));
    Process::start(command)
}

/// Makes the folder accessible to nginx after it has dropped its privileges: temporary folders are private to their
/// owner.
fn open_to_workers(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("set the permissions of the folder");
}
