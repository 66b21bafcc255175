//! The Debian packages that the end-to-end tests and the benchmarks use: real clients, real media servers, servers to be
//! compared with, and a machine to be the kernel's.

use std::process::Command;

use crate::step;

/// What the end-to-end tests use.
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
    // Readers of the server information.
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
    // What the tests themselves need.
    "ca-certificates",
    "g++",
    "gcc",
    "iproute2",
    "keepalived",
    "nftables",
    "python3-venv",
    "util-linux",
];

/// What `bench fronts` uses.
pub(crate) const FOR_FRONTS: &[&str] = &[
    // Servers to be compared with.
    "haproxy",
    "libnginx-mod-stream",
    "nginx-light",
    // Another is compiled.
    "gcc",
    "libc6-dev",
    // What the benchmark itself needs.
    "strace",
    "util-linux",
];

/// What `kernel` uses.
pub(crate) const FOR_KERNEL: &[&str] = &[
    // The guest, and what it is made with.
    "binutils",
    "busybox-static",
    "qemu-system-x86",
    "zstd",
    // What is in it.
    "iproute2",
    "ipvsadm",
    "keepalived",
    "netbase",
    "nftables",
    "util-linux",
];

/// Installs what is missing, if this is root on Debian or Ubuntu; otherwise says how to.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get update && apt-get install --yes --no-install-recommends {}", missing.join(" "));
    if !is_root() {
        return Err(format!(
            "programs that are used here are not installed. On Debian or Ubuntu run\n\n  sudo sh -c '{install}'\n"
        ));
    }
    step::command(
        Command::new("sh")
            .args(["-c", &install])
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Nothing of what is installed is to run as a service here.
            .env("RUNLEVEL", "1"),
    )
}

fn is_installed(package: &str) -> bool {
    // Where Node.js is not Debian's, npm comes with it, and Debian's package would take its place.
    if package == "npm" && step::installed(package).is_ok() {
        return true;
    }
    let status = Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]).output();
    status.is_ok_and(|output| output.stdout == b"installed")
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
