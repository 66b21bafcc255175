//! Reads what there is, and makes steps. Settings are files below `/proc/sys`, which are those of the network namespace that
//! they are read in; addresses are told over rtnetlink. To make steps takes CAP_NET_ADMIN.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use rustix::io::Errno;
use weir_program::netlink::{Message, Protocol, Socket, addresses};

use super::address;
use super::plan::{ALL, Setting, State, Step};

/// The settings of interfaces.
const SETTINGS: &str = "/proc/sys/net/ipv4/conf";

/// Reads what there is.
///
/// # Errors
/// What the kernel says, or the file system.
pub fn read() -> io::Result<State> {
    let mut state = State::default();
    let held =
        Socket::open(Protocol::Route)?.list(addresses::list(), |held: &mut Vec<IpAddr>, message: Message<'_>| {
            held.extend(address::read(message)?);
            Ok(())
        })?;
    state.held.extend(held);
    for interface in fs::read_dir(SETTINGS)? {
        let Ok(interface) = interface?.file_name().into_string() else { continue };
        for setting in Setting::ALL {
            // An interface may be gone since.
            let Ok(text) = fs::read_to_string(path(&interface, setting)) else { continue };
            if let Ok(value) = text.trim().parse() {
                state.settings.insert((interface.clone(), setting), value);
            }
        }
    }
    Ok(state)
}

/// Makes a step. What is made already is well.
///
/// # Errors
/// What the kernel says, or the file system.
pub fn make(step: &Step) -> io::Result<()> {
    let (request, made) = match step {
        Step::Set(setting, value) => return fs::write(path(ALL, *setting), value.to_string()),
        Step::Add(address) => (address::add(*address), Errno::EXIST),
        Step::Remove(address) => (address::delete(*address), Errno::ADDRNOTAVAIL),
    };
    match Socket::open(Protocol::Route)?.tell(request) {
        Err(error) if !error.is_refusal(made) => Err(error.into()),
        _ => Ok(()),
    }
}

fn path(interface: &str, setting: Setting) -> PathBuf {
    [SETTINGS, interface, setting.name()].iter().collect()
}
