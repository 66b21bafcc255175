//! The kernel's weights over time, by polling its IPVS table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::host::Host;
use super::ipvs::{ServiceKey, Table};

/// Polling interval. Shorter changes may be missed.
const PAUSE: Duration = Duration::from_millis(5);

/// Polls a director's table until stopped.
#[derive(Debug)]
pub struct History {
    moments: Arc<Mutex<Vec<Moment>>>,
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// A period in which the weights did not change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The times of the last poll with other weights, and the first with these.
    pub seen: Range<Instant>,
    /// The weights.
    pub weights: Weights,
}

/// Weights of servers, by mark of the service and address of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weights(BTreeMap<u32, BTreeMap<IpAddr, u32>>);

impl History {
    /// Starts to poll.
    ///
    /// # Panics
    /// If no thread can be started.
    #[must_use]
    pub fn start(director: &Host) -> Self {
        let moments = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = mpsc::channel();
        let shared = Arc::clone(&moments);
        let thread = director.spawn(move || {
            let mut before = Instant::now();
            loop {
                let (weights, now) = (Weights::of(&Table::current()), Instant::now());
                let mut moments = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if moments.last().is_none_or(|latest: &Moment| latest.weights != weights) {
                    moments.push(Moment { seen: before..now, weights });
                }
                drop(moments);
                before = now;
                if stopped.recv_timeout(PAUSE) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
        });
        Self { moments, stop, thread }
    }

    /// The periods so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<Moment> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops polling, and returns all periods.
    ///
    /// # Panics
    /// If the kernel's table could not be read.
    #[must_use]
    pub fn finish(self) -> Vec<Moment> {
        let Self { moments, stop, thread } = self;
        drop(stop);
        thread.join().expect("the table can be read");
        moments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Weights {
    fn of(table: &Table) -> Self {
        let marked = table.services.iter().filter_map(|service| match service.key {
            ServiceKey::Mark(mark) => Some((mark, &service.servers)),
            ServiceKey::Address(..) => None,
        });
        let mut weights = Self::default();
        for (mark, servers) in marked {
            let of_mark = weights.0.entry(mark).or_default();
            of_mark.extend(servers.iter().map(|server| (server.address.ip(), server.weight)));
        }
        weights
    }

    /// The weight of a server of the service with this mark; `None` if the service does not have it.
    #[must_use]
    pub fn get(&self, mark: u32, server: IpAddr) -> Option<u32> {
        self.0.get(&mark)?.get(&server).copied()
    }

    /// Returns whether the service with this mark has a server that gets new clients.
    #[must_use]
    pub fn is_live(&self, mark: u32) -> bool {
        self.0.get(&mark).is_some_and(|servers| servers.values().any(|weight| *weight > 0))
    }
}

/// For example `192.0.2.21 100, 192.0.2.22 50`, service by service.
impl fmt::Display for Weights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.0.values().flatten();
        let weights: Vec<String> = servers.map(|(server, weight)| format!("{server} {weight}")).collect();
        formatter.write_str(&weights.join(", "))
    }
}
