//! Halves of tunnels that wait for the other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::half::Half;
use crate::incoming::Incoming;
use crate::rtsp::Limits;

/// Halves that wait for the other, on whichever worker thread.
#[derive(Debug, Default)]
pub struct Tunnels {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By address: who knows another's cookie cannot speak in its tunnel.
    by_address: HashMap<IpAddr, HashMap<Box<[u8]>, Waiter>>,
    count: usize,
    /// Of the next that waits.
    number: u64,
}

#[derive(Debug)]
struct Waiter {
    half: Half,
    number: u64,
    sender: oneshot::Sender<Arrived>,
}

/// The second half, as it is given to the first.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) incoming: Incoming,
    /// Dropped when the tunnel has ended.
    pub(super) alive: oneshot::Sender<()>,
}

/// What a half finds.
#[derive(Debug)]
pub(super) enum Met<'t> {
    /// The other, which waits to be given this one.
    Other(oneshot::Sender<Arrived>),
    /// Nobody yet: it waits.
    Nobody(oneshot::Receiver<Arrived>, Slot<'t>),
}

/// Why a half is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The cookie is empty, or longer than [`Limits::cookie`].
    Cookie,
    /// The same half waits already.
    Twice,
    /// As many wait as may, in all or from this address.
    Full,
}

impl Refused {
    /// The cause as a metric label.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Cookie => "tunnel-cookie",
            Self::Twice => "tunnel-twice",
            Self::Full => "tunnel-full",
        }
    }

    /// What the client is told.
    pub(super) fn status(self) -> &'static str {
        match self {
            Self::Cookie | Self::Twice => "400 Bad Request",
            Self::Full => "503 Service Unavailable",
        }
    }
}

/// A slot among those that wait, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot<'t> {
    tunnels: &'t Tunnels,
    address: IpAddr,
    cookie: Box<[u8]>,
    number: u64,
}

impl Tunnels {
    /// Brings a half together with the other, or lets it wait.
    pub(super) fn meet(&self, address: IpAddr, cookie: &[u8], half: Half, limits: &Limits) -> Result<Met<'_>, Refused> {
        if cookie.is_empty() || cookie.len() > limits.cookie {
            return Err(Refused::Cookie);
        }
        let mut waiting = self.lock();
        let others = waiting.by_address.get(&address);
        match others.and_then(|others| others.get(cookie)) {
            Some(waiter) if waiter.half == half && !waiter.sender.is_closed() => return Err(Refused::Twice),
            Some(_) => {}
            None => {
                let from_address = others.map_or(0, HashMap::len);
                if waiting.count >= limits.tunnels || from_address >= limits.tunnels_per_address {
                    return Err(Refused::Full);
                }
            }
        }
        if let Some(waiter) = waiting.remove(address, cookie)
            && waiter.half != half
            && !waiter.sender.is_closed()
        {
            return Ok(Met::Other(waiter.sender));
        }
        let (sender, receiver) = oneshot::channel();
        let number = waiting.number;
        waiting.number += 1;
        waiting.count += 1;
        let slot = Slot { tunnels: self, address, cookie: cookie.into(), number };
        let of_address = waiting.by_address.entry(address).or_default();
        of_address.insert(cookie.into(), Waiter { half, number, sender });
        Ok(Met::Nobody(receiver, slot))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing is ever half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn remove(&mut self, address: IpAddr, cookie: &[u8]) -> Option<Waiter> {
        let of_address = self.by_address.get_mut(&address)?;
        let waiter = of_address.remove(cookie)?;
        if of_address.is_empty() {
            self.by_address.remove(&address);
        }
        self.count -= 1;
        Some(waiter)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut waiting = self.tunnels.lock();
        let of_address = waiting.by_address.get(&self.address);
        // Another may have waited with this cookie since.
        if of_address.and_then(|all| all.get(&self.cookie)).is_some_and(|waiter| waiter.number == self.number) {
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
    fn halves_of_one_address_and_cookie_meet_in_either_order() {
        let [one, other] = addresses();
        for (first, second) in [(Half::ToClient, Half::FromClient), (Half::FromClient, Half::ToClient)] {
            let tunnels = Tunnels::default();
            let waits = tunnels.meet(one, b"a", first, &LIMITS);
            assert!(matches!(waits, Ok(Met::Nobody(..))));
            assert!(matches!(tunnels.meet(one, b"b", second, &LIMITS), Ok(Met::Nobody(..))));
            assert!(matches!(tunnels.meet(other, b"a", second, &LIMITS), Ok(Met::Nobody(..))));
            assert_eq!(tunnels.meet(one, b"a", first, &LIMITS).unwrap_err(), Refused::Twice);
            assert!(matches!(tunnels.meet(one, b"a", second, &LIMITS), Ok(Met::Other(_))));
            assert!(matches!(tunnels.meet(one, b"a", second, &LIMITS), Ok(Met::Nobody(..))), "only once");
        }
    }

    #[test]
    fn who_has_gone_waits_no_longer_and_leaves_nothing() {
        let [one, _] = addresses();
        let tunnels = Tunnels::default();
        let waits = tunnels.meet(one, b"a", Half::ToClient, &LIMITS).unwrap();
        drop(waits);
        assert_eq!(tunnels.lock().count, 0);
        assert!(tunnels.lock().by_address.is_empty());
        let Ok(Met::Nobody(receiver, slot)) = tunnels.meet(one, b"a", Half::ToClient, &LIMITS) else { panic!() };
        drop(receiver);
        let again = tunnels.meet(one, b"a", Half::ToClient, &LIMITS);
        assert!(matches!(again, Ok(Met::Nobody(..))));
        drop(slot);
        assert_eq!(tunnels.lock().count, 1, "the slot of another is not given back");
    }

    #[test]
    fn only_so_many_wait() {
        let [one, other] = addresses();
        let tunnels = Tunnels::default();
        let mut waiting = Vec::new();
        for (address, cookie, expected) in [
            (one, &b""[..], Some(Refused::Cookie)),
            (one, b"12345", Some(Refused::Cookie)),
            (one, b"1", None),
            (one, b"2", None),
            (one, b"3", Some(Refused::Full)),
            (other, b"1", None),
            (other, b"2", Some(Refused::Full)),
        ] {
            let met = tunnels.meet(address, cookie, Half::ToClient, &LIMITS);
            assert_eq!(met.as_ref().err().copied(), expected, "{address} {cookie:?}");
            waiting.push(met);
        }
        assert!(
            matches!(tunnels.meet(one, b"1", Half::FromClient, &LIMITS), Ok(Met::Other(_))),
            "those who wait go on"
        );
    }
}
