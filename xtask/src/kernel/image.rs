//! Creates the guest's file system: an initramfs, which the kernel unpacks into memory.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::{copy, create_folder};
use super::release::Kernel;
use super::{libraries, modules};
use crate::step;

/// The init script of the guest.
const INIT: &str = include_str!("init.sh");

/// Weir's programs, as built by cargo.
const WEIR_PROGRAMS: [&str; 3] = ["weir-balancer", "weir-agent", super::SCENARIOS];

/// Debian's programs, which set up hosts, networks and the kernel by hand, and which Weir is compared with.
const DEBIAN_PROGRAMS: [&str; 6] = ["busybox", "ip", "ipvsadm", "keepalived", "nft", "setpriv"];

/// Links to busybox. The kernel runs `modprobe` to load modules.
const BUSYBOX_LINKS: [&str; 6] = ["dmesg", "modprobe", "mount", "poweroff", "sh", "sysctl"];

/// Databases of protocol and port names, which nftables rules may use.
const NAME_DATABASES: [&str; 2] = ["/etc/protocols", "/etc/services"];

/// An initramfs.
#[derive(Debug)]
pub(crate) struct Image {
    /// Path of the image.
    pub(crate) file: PathBuf,
}

impl Image {
    /// Creates the image in this folder, with the modules of the kernel and the programs that cargo has built.
    pub(crate) fn create(folder: &Path, kernel: &Kernel, programs: &Path) -> Result<Self, String> {
        let guest = folder.join("guest");
        let _ = fs::remove_dir_all(&guest);
        for name in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
            create_folder(&guest.join(name))?;
        }
        for (link, to) in [("sbin", "bin"), ("usr/bin", "../bin"), ("usr/sbin", "../bin"), ("var/run", "../run")] {
            create_link(to, &guest.join(link))?;
        }
        for name in BUSYBOX_LINKS {
            create_link("busybox", &guest.join("bin").join(name))?;
        }
        for file in NAME_DATABASES {
            copy(Path::new(file), &inside(&guest, Path::new(file)))?;
        }
        for name in DEBIAN_PROGRAMS {
            let program = step::installed(name)?;
            copy(&program, &guest.join("bin").join(name))?;
            copy_libraries(&program, &guest)?;
        }
        for name in WEIR_PROGRAMS {
            let program = programs.join(name);
            // Debug information is nine tenths of a program and slow to unpack.
            let to = guest.join("bin").join(name);
            step::command(Command::new("strip").arg("--strip-debug").arg("-o").arg(to).arg(&program))?;
            copy_libraries(&program, &guest)?;
        }
        modules::copy(kernel, &guest)?;
        write_init(&guest.join("init"))?;
        pack(&guest, &folder.join("initramfs"))
    }
}

/// Copies the shared libraries of a program. busybox is linked statically, for which `ldd` fails.
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
    // Level 1: higher levels cost more time here than they save in the guest.
    let pack = "find . | busybox cpio -o -H newc 2>/dev/null | zstd --quiet --force -1 -o \"$0\"";
    step::command(Command::new("bash").args(["-o", "pipefail", "-c", pack]).arg(file).current_dir(guest))?;
    Ok(Image { file: file.to_owned() })
}

fn write_init(file: &Path) -> Result<(), String> {
    fs::write(file, INIT)
        .and_then(|()| fs::set_permissions(file, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// Returns the path in the guest of a file of the host: the same path.
fn inside(guest: &Path, file: &Path) -> PathBuf {
    guest.join(file.strip_prefix("/").unwrap_or(file))
}

fn create_link(to: &str, link: &Path) -> Result<(), String> {
    symlink(to, link).map_err(|error| format!("{}: {error}", link.display()))
}
