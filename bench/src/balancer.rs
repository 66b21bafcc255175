//! The balancer that is measured: the program, started from a file as operators do.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::machine::Cores;
use crate::program::Program;
use crate::reports::load;

/// A balancer that runs, and where it listens.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) program: Program,
    pub(crate) clients: SocketAddr,
    pub(crate) reports: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// Starts one with this configuration, which has no `[admin]`, and a listener and reports on ports of the system's choice;
/// its files are in `folder`. It believes what is sealed with the secret of [`load`].
///
/// # Errors
/// When it does not start: what it complained about.
pub(crate) fn start(cores: Option<&Cores>, folder: &Path, configuration: &str) -> io::Result<Running> {
    let file = folder.join("weir.toml");
    let state = folder.display();
    fs::write(&file, format!("state = \"{state}\"\n{configuration}\n[admin]\naddress = \"127.0.0.1:0\"\n"))?;
    weir_program::keys::create(&folder.join("key"), &load::secret().to_base64())?;
    let mut program = Program::start(cores, folder, &executable()?, ["--config".as_ref(), file.as_os_str()])?;
    let clients = program.address_after("listening on ")?;
    let reports = program.address_after("reports on udp ")?;
    let admin = program.address_after("admin on http://")?;
    Ok(Running { program, clients, reports, admin })
}

/// `weir-balancer` of the same build, which lies beside this program.
fn executable() -> io::Result<PathBuf> {
    let file = std::env::current_exe()?.with_file_name("weir-balancer");
    if file.is_file() {
        return Ok(file);
    }
    let message = "`cargo xtask bench` builds it, and so does `cargo build --release --package weir-balancer`";
    Err(io::Error::other(format!("{} does not exist: {message}", file.display())))
}
