//! Debian's kernel for virtual machines: the package that `linux-image-cloud-amd64` depends on, kept in the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{packages, step};

/// Depends on the newest kernel of the release, and holds nothing itself.
const META_PACKAGE: &str = "linux-image-cloud-amd64";

/// An unpacked kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// What boots.
    pub(crate) image: PathBuf,
    /// Such as `6.1.0-42-cloud-amd64`: the name of the folder of its modules.
    pub(crate) version: String,
    /// The folder that `lib/modules/VERSION` lies in, with a `modules.dep` for all of them.
    pub(crate) tree: PathBuf,
}

impl Kernel {
    /// The kernel kept in this folder; it is fetched if there is none.
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, String> {
        let tree = folder.join("release");
        if !tree.is_dir() {
            // Under its own name only when it is whole.
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

/// Fetches the newest kernel into an empty folder.
fn fetch(folder: &Path) -> Result<(), String> {
    let package = match newest().and_then(|package| download(folder, &package)) {
        Ok(package) => package,
        // What apt knows may be older than what the mirror still has.
        Err(_) if packages::is_root() => {
            step::command(Command::new("apt-get").args(["--quiet", "update"]))?;
            download(folder, &newest()?)?
        }
        Err(error) => return Err(format!("{error}\n`apt-get update`, as root, may help")),
    };
    step::command(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(folder))?;
    fs::remove_file(&package).map_err(|error| format!("{}: {error}", package.display()))?;
    let version = only_entry(&folder.join("lib/modules"))?;
    step::command(Command::new("busybox").arg("depmod").arg("-b").arg(folder).arg(version))
}

/// The name of the package of the newest kernel.
fn newest() -> Result<String, String> {
    let said = step::output(Command::new("apt-cache").args(["depends", META_PACKAGE]))?;
    let package = said.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    package.map(str::to_owned).ok_or_else(|| format!("apt knows no {META_PACKAGE}: the guest runs Debian's kernel"))
}

/// Downloads a package into an empty folder.
fn download(folder: &Path, package: &str) -> Result<PathBuf, String> {
    // apt's own user may not write here, which it would warn of.
    let download = ["--quiet", "--option", "APT::Sandbox::User=root", "download", package];
    step::command(Command::new("apt-get").args(download).current_dir(folder))?;
    Ok(folder.join(only_entry(folder)?))
}

fn only_entry(folder: &Path) -> Result<String, String> {
    let unreadable = |error| format!("{}: {error}", folder.display());
    let entries: Vec<_> = fs::read_dir(folder).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
    match &entries[..] {
        [entry] => Ok(entry.file_name().to_string_lossy().into_owned()),
        other => Err(format!("{} has {} entries where one is expected", folder.display(), other.len())),
    }
}
