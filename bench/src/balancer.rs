//! The measured balancer: the real program, started with a configuration file.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::machine::Cores;
use crate::program::Program;
use crate::reports::load;

/// A running balancer, and the addresses on which it listens.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) program: Program,
    pub(crate) clients: SocketAddr,
    pub(crate) reports: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// Starts a balancer whose files are in `folder`. The configuration must leave out `[admin]`, and have a listener and
/// `[reports]` with port 0. The balancer accepts reports that are sealed with the secret of [`load`].
///
/// # Errors
/// When it does not start, with its error output.
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

/// Returns the path of `weir-balancer` of the same build, beside this program.
fn executable() -> io::Result<PathBuf> {
    let file = std::env::current_exe()?.with_file_name("weir-balancer");
    if file.is_file() {
        return Ok(file);
    }
    let message = "run `cargo xtask bench`, or build it with `cargo build --profile dist --package weir-balancer`";
    Err(io::Error::other(format!("{} does not exist: {message}", file.display())))
}
