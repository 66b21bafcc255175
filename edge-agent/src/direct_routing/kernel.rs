//! Reads the current settings, and applies steps. ARP settings are files below `/proc/sys`, of the current network
//! namespace; addresses are set over rtnetlink. Applying steps requires CAP_NET_ADMIN.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use rustix::io::Errno;
use weir_program::netlink::{Message, Protocol, Socket, addresses};

use super::address;
use super::plan::{ALL, Setting, State, Step};

/// The folder of the ARP settings, with a folder for each interface.
const SETTINGS: &str = "/proc/sys/net/ipv4/conf";

/// Reads the current settings.
///
/// # Errors
/// Those of netlink and of the file system.
pub fn read() -> io::Result<State> {
    let mut state = State::default();
    let found = Socket::open(Protocol::Route)?.dump(
        addresses::request(),
        |found: &mut Vec<IpAddr>, message: Message<'_>| {
            found.extend(address::read(message)?);
            Ok(())
        },
    )?;
    state.addresses.extend(found);
    for interface in fs::read_dir(SETTINGS)? {
        let Ok(interface) = interface?.file_name().into_string() else { continue };
        for setting in Setting::ALL {
            // The interface may have been removed meanwhile.
            let Ok(text) = fs::read_to_string(path(&interface, setting)) else { continue };
            if let Ok(value) = text.trim().parse() {
                state.settings.insert((interface.clone(), setting), value);
            }
        }
    }
    Ok(state)
}

/// Applies a step. It is not an error if it has been applied already.
///
/// # Errors
/// Those of netlink and of the file system, such as a missing CAP_NET_ADMIN.
pub fn apply(step: &Step) -> io::Result<()> {
    let (request, applied_already) = match step {
        Step::Set(setting, value) => return fs::write(path(ALL, *setting), value.to_string()),
        Step::Add(address) => (address::add(*address), Errno::EXIST),
        Step::Remove(address) => (address::delete(*address), Errno::ADDRNOTAVAIL),
    };
    match Socket::open(Protocol::Route)?.execute(request) {
        Err(error) if !error.is_refusal(applied_already) => Err(error.into()),
        _ => Ok(()),
    }
}

fn path(interface: &str, setting: Setting) -> PathBuf {
    [SETTINGS, interface, setting.name()].iter().collect()
}
