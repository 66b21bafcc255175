//! Loopback addresses and ports that no one else uses.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

/// How many addresses or ports are tried before giving up.
const ATTEMPTS: usize = 100;

/// An address in 127.0.0.0/8 that, in all likelihood, no other process uses: each edge has its own, so that a redirect
/// tells which edge was meant.
#[must_use]
pub fn address() -> Ipv4Addr {
    let [_, second, third, fourth, ..] = random().to_be_bytes();
    // Never 127.0.x.y, which people use by hand, and no octet 0 or 255, which some programs dislike.
    Ipv4Addr::new(127, second.clamp(1, 254), third.clamp(1, 254), fourth.clamp(1, 254))
}

/// A TCP port that is free on `address`, for programs that cannot bind port 0.
///
/// It is bound, closed and given out. Nobody takes it in between: the address is this edge's own, and the port lies
/// below the range from which the kernel serves port 0 and outgoing connections.
///
/// # Panics
/// When none of many random ports can be bound.
#[must_use]
pub fn port(address: Ipv4Addr) -> u16 {
    (0..ATTEMPTS)
        .find_map(|_| listener_below_ephemeral(address))
        .map(|listener| listener.local_addr().expect("a bound socket has an address").port())
        .unwrap_or_else(|| panic!("no free port on {address} in {ATTEMPTS} attempts"))
}

/// The same for a program that has another port there already, or is about to: without this one of 20,000 would get one twice.
///
/// # Panics
/// When none of many random ports can be bound.
#[must_use]
pub fn port_besides(address: Ipv4Addr, taken: u16) -> u16 {
    let other = (0..ATTEMPTS).map(|_| port(address)).find(|port| *port != taken);
    other.unwrap_or_else(|| panic!("no port on {address} besides {taken}"))
}

/// A listener on a random port below the kernel's own range, so that no outgoing connection of another test ever has
/// the same local port: the agent's system probe counts by port.
///
/// # Panics
/// When none of many random ports can be bound.
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

/// Random enough for addresses and ports: the standard library seeds its hash maps from the kernel.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
