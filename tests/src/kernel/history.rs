//! What the kernel's weights were while something was done to the site: it is looked at all the time.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::host::Host;
use super::ipvs::{Packets, Table};

/// Between two looks: what is shorter than that may go unseen.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks at a director's table until told to stop.
#[derive(Debug)]
pub struct History {
    moments: Arc<Mutex<Vec<Moment>>>,
    stop: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

/// From when on the kernel had these weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When it still had others, and when it was seen to have these.
    pub seen: Range<Instant>,
    /// The weights of servers, by the mark of their service.
    pub weights: Weights,
}

/// The weights of servers, by the mark of their service and by their address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weights(BTreeMap<u32, BTreeMap<IpAddr, u32>>);

impl History {
    /// Starts to look.
    ///
    /// # Panics
    /// When there is no thread for it.
    #[must_use]
    pub fn start(director: &Host) -> Self {
        let moments = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = mpsc::channel();
        let kept = Arc::clone(&moments);
        let thread = director.spawn(move || {
            let mut before = Instant::now();
            loop {
                let (weights, now) = (Weights::of(&Table::here()), Instant::now());
                let mut moments = kept.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// What was seen so far, each as long as it lasted.
    #[must_use]
    pub fn so_far(&self) -> Vec<Moment> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks no more, and returns all that was seen.
    ///
    /// # Panics
    /// When the kernel's table could not be read.
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
        let marked = table.services.iter().filter_map(|service| match service.packets {
            Packets::Marked(mark) => Some((mark, &service.servers)),
            Packets::To(..) => None,
        });
        let mut weights = Self::default();
        for (mark, servers) in marked {
            let of_mark = weights.0.entry(mark).or_default();
            of_mark.extend(servers.iter().map(|server| (server.address.ip(), server.weight)));
        }
        weights
    }

    /// The weight of a server of the service with this mark; `None` when it is not there.
    #[must_use]
    pub fn get(&self, mark: u32, server: IpAddr) -> Option<u32> {
        self.0.get(&mark)?.get(&server).copied()
    }

    /// Whether the service with this mark has somebody who gets new clients.
    #[must_use]
    pub fn is_live(&self, mark: u32) -> bool {
        self.0.get(&mark).is_some_and(|servers| servers.values().any(|weight| *weight > 0))
    }
}

/// As in `192.0.2.21 100, 192.0.2.22 50`, with the services one after the other.
impl fmt::Display for Weights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.0.values().flatten();
        let weights: Vec<String> = servers.map(|(server, weight)| format!("{server} {weight}")).collect();
        formatter.write_str(&weights.join(", "))
    }
}
