//! Unused loopback addresses and ports.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

/// Maximum number of attempts to find an address or port.
const ATTEMPTS: usize = 100;

/// Returns a random address in 127.0.0.0/8 that is unlikely to be in use. Each edge has its own, so that a redirect
/// identifies the edge.
#[must_use]
pub fn address() -> Ipv4Addr {
    let [_, second, third, fourth, ..] = random().to_be_bytes();
    // Not 127.0.x.y, which people use by hand, and no octet 0 or 255, which some programs reject.
    Ipv4Addr::new(127, second.clamp(1, 254), third.clamp(1, 254), fourth.clamp(1, 254))
}

/// Returns a TCP port that is free on `address`, for programs that cannot bind port 0.
///
/// The port is bound and closed again. No other program takes it in between: only this edge uses the address, and the
/// port is below the range that the kernel uses for port 0 and outgoing connections.
///
/// # Panics
/// If no free port is found.
#[must_use]
pub fn port(address: Ipv4Addr) -> u16 {
    (0..ATTEMPTS)
        .find_map(|_| listener_below_ephemeral(address))
        .map(|listener| listener.local_addr().expect("a bound socket has an address").port())
        .unwrap_or_else(|| panic!("no free port on {address} in {ATTEMPTS} attempts"))
}

/// Returns a free port other than `taken`, for a program that needs several: [`port`] would return the same one twice
/// in one of 20,000 cases.
///
/// # Panics
/// If no free port is found.
#[must_use]
pub fn other_port(address: Ipv4Addr, taken: u16) -> u16 {
    let other = (0..ATTEMPTS).map(|_| port(address)).find(|port| *port != taken);
    other.unwrap_or_else(|| panic!("no free port on {address} other than {taken}"))
}

/// Returns a listener on a random port below the kernel's ephemeral range. An outgoing connection of another test
/// therefore never has the same local port, which the agent's system probe would count.
///
/// # Panics
/// If no free port is found.
#[must_use]
pub fn listener(address: Ipv4Addr) -> TcpListener {
    (0..ATTEMPTS)
        .find_map(|_| listener_below_ephemeral(address))
        .unwrap_or_else(|| panic!("no free port on {address} in {ATTEMPTS} attempts"))
}

fn listener_below_ephemeral(address: Ipv4Addr) -> Option<TcpListener> {
    let port = 10_000 + u16::try_from(random() % 20_000).expect("below 20,000");
    TcpListener::bind(SocketAddrV4::new(address, port)).ok()
}

/// Returns a random number, good enough for addresses and ports: the standard library seeds its hash maps from the
/// kernel.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
