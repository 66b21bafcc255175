//! The Debian packages for end-to-end tests, benchmarks and kernel mode: clients, media servers, servers to compare
//! with, and QEMU.

use std::process::Command;

use crate::step;

/// Packages for the end-to-end tests.
pub(crate) const FOR_TESTS: &[&str] = &[
    // Clients.
    "chromium",
    "curl",
    "ffmpeg",
    "gstreamer1.0-libav",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-ugly",
    "gstreamer1.0-rtsp",
    "gstreamer1.0-tools",
    "mplayer",
    "mpv",
    "npm",
    "rtmpdump",
    "vlc-bin",
    "vlc-plugin-base",
    // Languages of the programs that read the server information.
    "libxml-simple-perl",
    "perl",
    "php-cli",
    "php-xml",
    "python3",
    // Edges.
    "gir1.2-gst-rtsp-server-1.0",
    "libnginx-mod-rtmp",
    "nginx-light",
    "python3-gi",
    // Used by the tests themselves.
    "ca-certificates",
    "g++",
    "gcc",
    "iproute2",
    "keepalived",
    "nftables",
    "python3-venv",
    "util-linux",
];

/// Packages for `bench fronts`.
pub(crate) const FOR_FRONTS: &[&str] = &[
    // Servers to compare with.
    "haproxy",
    "libnginx-mod-stream",
    "nginx-light",
    // Compiles the bare loop.
    "gcc",
    "libc6-dev",
    // Used by the benchmark itself.
    "strace",
    "util-linux",
];

/// Packages for `kernel`.
pub(crate) const FOR_KERNEL: &[&str] = &[
    // QEMU, and the programs that create the image of the virtual machine.
    "binutils",
    "busybox-static",
    "qemu-system-x86",
    "zstd",
    // Programs in the image.
    "iproute2",
    "ipvsadm",
    "keepalived",
    "netbase",
    "nftables",
    "util-linux",
];

/// Installs missing packages as root on Debian or Ubuntu.
///
/// # Errors
/// If packages are missing for any other user, with the command that installs them.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get update && apt-get install --yes --no-install-recommends {}", missing.join(" "));
    if !is_root() {
        return Err(format!(
            "required packages are not installed. On Debian or Ubuntu, run\n\n  sudo sh -c '{install}'\n"
        ));
    }
    step::command(
        Command::new("sh")
            .args(["-c", &install])
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Keeps installed services from being started.
            .env("RUNLEVEL", "1"),
    )
}

fn is_installed(package: &str) -> bool {
    // A Node.js installation that is not Debian's includes npm, which Debian's package would replace.
    if package == "npm" && step::installed(package).is_ok() {
        return true;
    }
    let status = Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]).output();
    status.is_ok_and(|output| output.stdout == b"installed")
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
