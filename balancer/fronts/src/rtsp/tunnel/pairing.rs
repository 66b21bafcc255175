//! Pairs the two channels of a tunnel.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::channel::Channel;
use crate::downstream::Downstream;
use crate::rtsp::limits::Limits;

/// The channels that wait for the other channel of their tunnel, on every worker thread.
#[derive(Debug, Default)]
pub struct Tunnels {
    waiting: Mutex<WaitingChannels>,
}

#[derive(Debug, Default)]
struct WaitingChannels {
    /// By address, so that a client cannot join a tunnel of another address by its cookie.
    by_address: HashMap<IpAddr, HashMap<Box<[u8]>, WaitingChannel>>,
    count: usize,
    /// The number of the next channel.
    next_number: u64,
}

#[derive(Debug)]
struct WaitingChannel {
    channel: Channel,
    number: u64,
    sender: oneshot::Sender<PairedChannel>,
}

/// The second channel, as handed to the first.
#[derive(Debug)]
pub(super) struct PairedChannel {
    pub(super) downstream: Downstream,
    /// Dropped when the tunnel has ended.
    pub(super) alive: oneshot::Sender<()>,
}

/// The state of a new channel.
#[derive(Debug)]
pub(super) enum Pairing<'t> {
    /// The other channel waits. This one must be sent to it.
    Paired(oneshot::Sender<PairedChannel>),
    /// This channel waits for the other.
    Waiting(oneshot::Receiver<PairedChannel>, Slot<'t>),
}

/// Why a channel is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PairingError {
    /// The cookie is empty, or longer than [`Limits::cookie`].
    InvalidCookie,
    /// The same channel of this tunnel is already waiting.
    Duplicate,
    /// [`Limits::tunnels`] or [`Limits::tunnels_per_address`] is reached.
    LimitReached,
}

impl PairingError {
    /// The `reason` label in metrics.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::InvalidCookie => "tunnel-cookie",
            Self::Duplicate => "tunnel-duplicate",
            Self::LimitReached => "tunnel-full",
        }
    }

    /// The HTTP status of the response.
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::InvalidCookie | Self::Duplicate => "400 Bad Request",
            Self::LimitReached => "503 Service Unavailable",
        }
    }
}

/// The slot of a waiting channel, released when dropped.
#[derive(Debug)]
pub(super) struct Slot<'t> {
    tunnels: &'t Tunnels,
    address: IpAddr,
    cookie: Box<[u8]>,
    number: u64,
}

impl Tunnels {
    /// Pairs a new channel with the other one of its tunnel, or lets it wait.
    ///
    /// # Errors
    /// [`PairingError`] if the channel is rejected. The waiting channels are unchanged.
    pub(super) fn pair(
        &self,
        address: IpAddr,
        cookie: &[u8],
        channel: Channel,
        limits: &Limits,
    ) -> Result<Pairing<'_>, PairingError> {
        if cookie.is_empty() || cookie.len() > limits.cookie {
            return Err(PairingError::InvalidCookie);
        }
        let mut waiting = self.lock();
        let of_address = waiting.by_address.get(&address);
        match of_address.and_then(|channels| channels.get(cookie)) {
            Some(other) if other.channel == channel && !other.sender.is_closed() => {
                return Err(PairingError::Duplicate);
            }
            Some(_) => {}
            None => {
                let from_address = of_address.map_or(0, HashMap::len);
                if waiting.count >= limits.tunnels || from_address >= limits.tunnels_per_address {
                    return Err(PairingError::LimitReached);
                }
            }
        }
        if let Some(other) = waiting.remove(address, cookie)
            && other.channel != channel
            && !other.sender.is_closed()
        {
            return Ok(Pairing::Paired(other.sender));
        }
        let (sender, receiver) = oneshot::channel();
        let number = waiting.next_number;
        waiting.next_number += 1;
        waiting.count += 1;
        let slot = Slot { tunnels: self, address, cookie: cookie.into(), number };
        let of_address = waiting.by_address.entry(address).or_default();
        of_address.insert(cookie.into(), WaitingChannel { channel, number, sender });
        Ok(Pairing::Waiting(receiver, slot))
    }

    fn lock(&self) -> MutexGuard<'_, WaitingChannels> {
        // A panic cannot leave the channels in an inconsistent state, so a poisoned lock is usable.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitingChannels {
    fn remove(&mut self, address: IpAddr, cookie: &[u8]) -> Option<WaitingChannel> {
        let of_address = self.by_address.get_mut(&address)?;
        let channel = of_address.remove(cookie)?;
        if of_address.is_empty() {
            self.by_address.remove(&address);
        }
        self.count -= 1;
        Some(channel)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut waiting = self.tunnels.lock();
        let of_address = waiting.by_address.get(&self.address);
        // A newer channel may wait with the same cookie.
        if of_address.and_then(|all| all.get(&self.cookie)).is_some_and(|channel| channel.number == self.number) {
            waiting.remove(self.address, &self.cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { tunnels: 3, tunnels_per_address: 2, cookie: 4, ..Limits::DEFAULT };

    fn addresses() -> [IpAddr; 2] {
        ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]
    }

    #[test]
    fn channels_with_one_address_and_cookie_are_paired_in_either_order() {
        let [one, other] = addresses();
        for (first, second) in [(Channel::Get, Channel::Post), (Channel::Post, Channel::Get)] {
            let tunnels = Tunnels::default();
            let waits = tunnels.pair(one, b"a", first, &LIMITS);
            assert!(matches!(waits, Ok(Pairing::Waiting(..))));
            assert!(matches!(tunnels.pair(one, b"b", second, &LIMITS), Ok(Pairing::Waiting(..))));
            assert!(matches!(tunnels.pair(other, b"a", second, &LIMITS), Ok(Pairing::Waiting(..))));
            assert_eq!(tunnels.pair(one, b"a", first, &LIMITS).unwrap_err(), PairingError::Duplicate);
            assert!(matches!(tunnels.pair(one, b"a", second, &LIMITS), Ok(Pairing::Paired(_))));
            assert!(matches!(tunnels.pair(one, b"a", second, &LIMITS), Ok(Pairing::Waiting(..))), "only once");
        }
    }

    #[test]
    fn a_closed_channel_stops_waiting_and_releases_its_slot() {
        let [one, _] = addresses();
        let tunnels = Tunnels::default();
        let waits = tunnels.pair(one, b"a", Channel::Get, &LIMITS).unwrap();
        drop(waits);
        assert_eq!(tunnels.lock().count, 0);
        assert!(tunnels.lock().by_address.is_empty());
        let Ok(Pairing::Waiting(receiver, slot)) = tunnels.pair(one, b"a", Channel::Get, &LIMITS) else { panic!() };
        drop(receiver);
        let again = tunnels.pair(one, b"a", Channel::Get, &LIMITS);
        assert!(matches!(again, Ok(Pairing::Waiting(..))));
        drop(slot);
        assert_eq!(tunnels.lock().count, 1, "the slot of the newer channel is not released");
    }

    #[test]
    fn the_number_of_waiting_channels_is_limited() {
        let [one, other] = addresses();
        let tunnels = Tunnels::default();
        let mut waiting = Vec::new();
        for (address, cookie, expected) in [
            (one, &b""[..], Some(PairingError::InvalidCookie)),
            (one, b"12345", Some(PairingError::InvalidCookie)),
            (one, b"1", None),
            (one, b"2", None),
            (one, b"3", Some(PairingError::LimitReached)),
            (other, b"1", None),
            (other, b"2", Some(PairingError::LimitReached)),
        ] {
            let pairing = tunnels.pair(address, cookie, Channel::Get, &LIMITS);
            assert_eq!(pairing.as_ref().err().copied(), expected, "{address} {cookie:?}");
            waiting.push(pairing);
        }
        assert!(
            matches!(tunnels.pair(one, b"1", Channel::Post, &LIMITS), Ok(Pairing::Paired(_))),
            "a waiting channel can still be paired"
        );
    }
}
