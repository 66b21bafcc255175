//! Debian's kernel for virtual machines: the package that `linux-image-cloud-amd64` depends on. It is kept in the
//! target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{packages, step};

/// A metapackage that depends on the newest kernel of the Debian release.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// An unpacked kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Path of the bootable image.
    pub(crate) image: PathBuf,
    /// Version, such as `6.1.0-42-cloud-amd64`; also the name of its module folder.
    pub(crate) version: String,
    /// Root of the unpacked package, with `lib/modules/VERSION` and its `modules.dep`.
    pub(crate) tree: PathBuf,
}

impl Kernel {
    /// Returns the kernel in this folder. Downloads it if there is none.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, String> {
        let tree = folder.join("release");
        if !tree.is_dir() {
            // Renamed only once it is complete.
            let unfinished = folder.join("release.unfinished");
            let _ = fs::remove_dir_all(&unfinished);
            fs::create_dir_all(&unfinished).map_err(|error| format!("{}: {error}", unfinished.display()))?;
            fetch(&unfinished)?;
            fs::rename(&unfinished, &tree).map_err(|error| format!("{}: {error}", tree.display()))?;
        }
        let version = only_entry(&tree.join("lib/modules"))?;
        Ok(Self { image: tree.join(format!("boot/vmlinuz-{version}")), version, tree })
    }
}

/// Downloads and unpacks the newest kernel into an empty folder.
fn fetch(folder: &Path) -> Result<(), String> {
    let package = match newest().and_then(|package| download(folder, &package)) {
        Ok(package) => package,
        // The package lists may be outdated, and the mirror may no longer have this version.
        Err(_) if packages::is_root() => {
            step::command(Command::new("apt-get").args(["--quiet", "update"]))?;
            download(folder, &newest()?)?
        }
        Err(error) => return Err(format!("{error}\ntry `apt-get update` as root")),
    };
    step::command(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(folder))?;
    fs::remove_file(&package).map_err(|error| format!("{}: {error}", package.display()))?;
    let version = only_entry(&folder.join("lib/modules"))?;
    step::command(Command::new("busybox").arg("depmod").arg("-b").arg(folder).arg(version))
}

/// Returns the package name of the newest kernel.
fn newest() -> Result<String, String> {
    let output = step::output(Command::new("apt-cache").args(["depends", META_PACKAGE]))?;
    let package = output.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    package.map(str::to_owned).ok_or_else(|| {
        format!("no package {META_PACKAGE}: the guest needs Debian's kernel, so add Debian's package sources")
    })
}

/// Downloads a package into an empty folder.
fn download(folder: &Path, package: &str) -> Result<PathBuf, String> {
    // Avoids a warning: apt's sandbox user cannot write to this folder.
    let download = ["--quiet", "--option", "APT::Sandbox::User=root", "download", package];
    step::command(Command::new("apt-get").args(download).current_dir(folder))?;
    Ok(folder.join(only_entry(folder)?))
}

fn only_entry(folder: &Path) -> Result<String, String> {
    let unreadable = |error| format!("{}: {error}", folder.display());
    let entries: Vec<_> = fs::read_dir(folder).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
    match &entries[..] {
        [entry] => Ok(entry.file_name().to_string_lossy().into_owned()),
        other => Err(format!("{}: expected one entry, found {}", folder.display(), other.len())),
    }
}
