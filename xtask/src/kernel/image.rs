//! The guest's file system: an initramfs, which the kernel unpacks into memory.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::release::Kernel;
use super::{libraries, modules};
use crate::step;

/// The guest's first process.
const INIT: &str = include_str!("init.sh");

/// Weir's programs, as cargo builds them.
const OWN: [&str; 3] = ["weir-balancer", "weir-agent", super::SCENARIOS];

/// Debian's programs: what sets up hosts, networks and the kernel by hand, and what Weir is compared with.
const DEBIANS: [&str; 6] = ["busybox", "ip", "ipvsadm", "keepalived", "nft", "setpriv"];

/// What is found by other names: the kernel starts `modprobe` when it lacks a module.
const BUSYBOX: [&str; 6] = ["dmesg", "modprobe", "mount", "poweroff", "sh", "sysctl"];

/// Names of protocols and ports, which rules may use.
const NAMES: [&str; 2] = ["/etc/protocols", "/etc/services"];

/// An initramfs.
#[derive(Debug)]
pub(crate) struct Image {
    /// Where it is.
    pub(crate) file: PathBuf,
}

impl Image {
    /// Makes it in this folder, of the kernel's modules and of the programs that cargo has built.
    pub(crate) fn make(folder: &Path, kernel: &Kernel, programs: &Path) -> Result<Self, String> {
        let guest = folder.join("guest");
        let _ = fs::remove_dir_all(&guest);
        for made in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
            create_folder(&guest.join(made))?;
        }
        for (link, to) in [("sbin", "bin"), ("usr/bin", "../bin"), ("usr/sbin", "../bin"), ("var/run", "../run")] {
            make_link(to, &guest.join(link))?;
        }
        for name in BUSYBOX {
            make_link("busybox", &guest.join("bin").join(name))?;
        }
        for file in NAMES {
            copy(Path::new(file), &inside(&guest, Path::new(file)))?;
        }
        for name in DEBIANS {
            let program = step::installed(name)?;
            copy(&program, &guest.join("bin").join(name))?;
            copy_libraries(&program, &guest)?;
        }
        for name in OWN {
            let program = programs.join(name);
            // What debuggers need is nine tenths of a program, and takes long to unpack.
            let to = guest.join("bin").join(name);
            step::command(Command::new("strip").arg("--strip-debug").arg("-o").arg(to).arg(&program))?;
            copy_libraries(&program, &guest)?;
        }
        modules::copy(kernel, &guest)?;
        write_init(&guest.join("init"))?;
        pack(&guest, &folder.join("initramfs"))
    }
}

/// A program that is linked statically has none: `ldd` complains of it, and so is not asked.
fn copy_libraries(program: &Path, guest: &Path) -> Result<(), String> {
    if program.ends_with("busybox") {
        return Ok(());
    }
    for library in libraries::of(program)? {
        let to = inside(guest, &library);
        if !to.exists() {
            copy(&library, &to)?;
        }
    }
    Ok(())
}

fn pack(guest: &Path, file: &Path) -> Result<Image, String> {
    // No zstd level saves as much time in the guest as the first one saves here.
    let pack = "find . | busybox cpio -o -H newc 2>/dev/null | zstd --quiet --force -1 -o \"$0\"";
    step::command(Command::new("bash").args(["-o", "pipefail", "-c", pack]).arg(file).current_dir(guest))?;
    Ok(Image { file: file.to_owned() })
}

fn write_init(file: &Path) -> Result<(), String> {
    fs::write(file, INIT)
        .and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// Where a file of this machine lies in the guest: at the same place.
fn inside(guest: &Path, file: &Path) -> PathBuf {
    guest.join(file.strip_prefix("/").unwrap_or(file))
}

/// Copies a file, or what a link points to, into a folder that need not exist.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    to.parent().map_or(Ok(()), create_folder)?;
    fs::copy(from, to).map(drop).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))
}

fn create_folder(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn make_link(to: &str, link: &Path) -> Result<(), String> {
    symlink(to, link).map_err(|error| format!("{}: {error}", link.display()))
}
