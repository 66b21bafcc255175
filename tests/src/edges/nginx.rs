//! nginx in a folder of its own, for the edges built on it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::path::Path;

use tempfile::TempDir;

use crate::balancer::folder;
use crate::binaries;
use crate::loopback;
use crate::process::{self, Process};
use crate::wait::{PATIENCE, eventually};

/// How often another port is tried.
const ATTEMPTS: usize = 5;

/// A running nginx.
#[derive(Debug)]
pub(super) struct Nginx {
    /// The program.
    process: Process,
    /// Its own loopback address.
    pub(super) address: Ipv4Addr,
    /// The ports that its configuration was made with.
    pub(super) ports: [u16; 2],
    /// Holds the configuration, the logs and `html/`; removed on drop.
    folder: TempDir,
}

impl Nginx {
    /// Starts one. `blocks` makes the configuration's own blocks from the address and two free ports, and must make it
    /// listen on the first, which may be given; relative paths are below the folder.
    pub(super) fn start(port: Option<u16>, blocks: impl Fn(Ipv4Addr, [u16; 2]) -> String) -> Self {
        let folder = folder();
        fs::create_dir(folder.path().join("html")).expect("a folder for pages");
        open_to_workers(folder.path());
        for _ in 0..ATTEMPTS {
            let address = loopback::address();
            let first = port.unwrap_or_else(|| loopback::port(address));
            let ports = [first, loopback::port_besides(address, first)];
            let process = launch(folder.path(), &blocks(address, ports));
            // nginx cannot bind port 0, so in theory someone else can be faster; it says so by ending.
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

    /// The folder of its pages.
    pub(super) fn html(&self) -> std::path::PathBuf {
        self.folder.path().join("html")
    }

    /// A log of its folder so far; empty while there is none.
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
         # One process: then the end of it is the end of nginx, and /stat knows every client.\n\
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

/// Temporary folders are for their owner only, which an nginx that drops its rights is not.
fn open_to_workers(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("permissions of an own folder");
}
