//! What happens: the fleet, its clients, and what goes wrong.

use std::time::Duration;

use weir_fleet::{Rules, Time};

use crate::selection::trace::{Figure, Mean};
use crate::selection::visits::Crowd;

/// What happens. The default is the weather that all scenarios have in common; it has no edges and no clients.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// A short name, unique.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// Of each edge.
    pub capacities: Vec<u64>,
    /// Of the capacities.
    pub unit: Unit,
    /// The share of its capacity that each edge carries at first. Such sessions have been there for any time.
    pub level: f64,
    /// The clients.
    pub crowd: Crowd,
    /// The time between two reports of an edge, as it says.
    pub interval: Duration,
    /// The share by which that varies up and down.
    pub jitter: f64,
    /// The share of datagrams that is lost on the way to each balancer.
    pub loss: f64,
    /// How balancers choose that are Weir's.
    pub rules: Rules,
    /// What goes wrong, and when.
    pub incident: Option<(Time, Incident)>,
    /// From when on it is measured.
    pub measured_from: Time,
    /// When it is over.
    pub end: Time,
    /// What the highest load is compared with.
    pub mean: Mean,
    /// What Weir is to reach.
    pub bounds: Vec<(Figure, f64)>,
}

/// What capacities are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Sessions.
    Sessions,
    /// Bits per second.
    Bits,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// This edge is new, and empty.
    Joins(usize),
    /// This edge dies without a word. Its clients notice a little later, and come back as new ones.
    Dies(usize),
    /// This balancer starts again: it has forgotten everything, and is asked for nothing before it is ready.
    Restarts(usize),
    /// Half of all sessions end within two seconds.
    HalfLeave,
}

impl Incident {
    /// The edge that it is about.
    #[must_use]
    pub fn edge(self) -> Option<usize> {
        match self {
            Self::Joins(edge) | Self::Dies(edge) => Some(edge),
            Self::Restarts(_) | Self::HalfLeave => None,
        }
    }
}

/// Some look in, some watch an episode, some stay for the match.
const STAYS: &[(f64, Duration)] =
    &[(0.2, Duration::from_secs(30)), (0.5, Duration::from_secs(300)), (0.3, Duration::from_secs(1800))];

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "",
            title: "",
            capacities: Vec::new(),
            unit: Unit::Sessions,
            level: 0.0,
            crowd: Crowd {
                rates: Vec::new(),
                shares: equal(1),
                stays: STAYS,
                travel: (Duration::from_millis(50), Duration::from_millis(200)),
                absent: 0.03,
                bit_rates: &[4_000_000],
                streams: 0,
            },
            interval: Duration::from_millis(2500),
            jitter: 0.02,
            loss: 0.01,
            rules: Rules::default(),
            incident: None,
            measured_from: seconds(0),
            end: seconds(60),
            mean: Mean::OfFleet,
            bounds: Vec::new(),
        }
    }
}

impl Scenario {
    /// The rate of arrivals that keeps it at its level: as many come as leave.
    #[must_use]
    pub fn steady_rate(&self) -> f64 {
        let load = self.level * self.capacities.iter().sum::<u64>() as f64;
        let sessions = match self.unit {
            Unit::Sessions => load,
            Unit::Bits => load / self.crowd.mean_bits_per_second(),
        };
        sessions / self.crowd.mean_stay().as_secs_f64()
    }

    /// The same with as many arrivals as keep it at its level …
    #[must_use]
    pub fn steady(mut self) -> Self {
        // The absent never come; as many come in their stead.
        self.crowd.rates = vec![(self.end, self.steady_rate() / (1.0 - self.crowd.absent))];
        self
    }

    /// … and a crowd of `per_second` more that begins at `from` and lasts for `length`.
    #[must_use]
    pub fn with_flash(self, per_second: f64, from: Time, length: Duration) -> Self {
        let mut flash = self.steady();
        let base = flash.crowd.rates[0].1;
        flash.crowd.rates = vec![(from, base), (from + length, base + per_second), (flash.end, base)];
        flash
    }
}

/// So many balancers with as many clients each.
#[must_use]
pub fn equal(balancers: usize) -> Vec<f64> {
    vec![1.0 / balancers as f64; balancers]
}

/// So many seconds after the beginning.
#[must_use]
pub fn seconds(seconds: u64) -> Time {
    Time::after_origin(Duration::from_secs(seconds))
}
