//! A scenario: the fleet, its clients, and an incident.

use std::time::Duration;

use weir_fleet::{Rules, Time};

use crate::selection::trace::{Figure, Mean};
use crate::selection::visits::Crowd;

/// A scenario. The default has the conditions that all scenarios have in common, but no edges and no clients.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// A short, unique name.
    pub name: &'static str,
    /// A description.
    pub title: &'static str,
    /// The capacity of each edge.
    pub capacities: Vec<u64>,
    /// The unit of the capacities.
    pub unit: Unit,
    /// The initial load of each edge, as a share of its capacity. These sessions have existed for a random time.
    pub level: f64,
    /// The clients.
    pub crowd: Crowd,
    /// The reporting interval of the edges.
    pub interval: Duration,
    /// The share by which the interval varies up and down.
    pub jitter: f64,
    /// The share of reports that is lost on the way to each balancer.
    pub loss: f64,
    /// The rules of Weir's selector.
    pub rules: Rules,
    /// An incident, and its time.
    pub incident: Option<(Time, Incident)>,
    /// The time at which the measurement starts.
    pub measured_from: Time,
    /// The end of the scenario.
    pub end: Time,
    /// The mean with which the highest load is compared.
    pub mean: Mean,
    /// The bounds for Weir: the maximum of each figure.
    pub bounds: Vec<(Figure, f64)>,
}

/// The unit of capacities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Sessions.
    Sessions,
    /// Bits per second.
    Bits,
}

/// An incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incident {
    /// This edge joins, empty.
    Joins(usize),
    /// This edge dies without a last report. Its clients notice a little later, and return as new ones.
    Dies(usize),
    /// This balancer restarts without any state, and gets no clients before it is ready.
    Restarts(usize),
    /// Half of all sessions end within two seconds.
    HalfLeave,
}

impl Incident {
    /// Returns the edge that the incident is about.
    #[must_use]
    pub fn edge(self) -> Option<usize> {
        match self {
            Self::Joins(edge) | Self::Dies(edge) => Some(edge),
            Self::Restarts(_) | Self::HalfLeave => None,
        }
    }
}

/// The durations of visits: a short look, an episode, a match.
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
    /// Returns the arrivals per second that keep the load at its initial level.
    #[must_use]
    pub fn steady_rate(&self) -> f64 {
        let load = self.level * self.capacities.iter().sum::<u64>() as f64;
        let sessions = match self.unit {
            Unit::Sessions => load,
            Unit::Bits => load / self.crowd.mean_bits_per_second(),
        };
        sessions / self.crowd.mean_stay().as_secs_f64()
    }

    /// Returns the scenario with arrivals that keep the load at its initial level.
    #[must_use]
    pub fn steady(mut self) -> Self {
        // Some clients never connect, and are replaced.
        self.crowd.rates = vec![(self.end, self.steady_rate() / (1.0 - self.crowd.absent))];
        self
    }

    /// Returns the scenario with these arrivals, and a crowd of `per_second` more from `from` on, for `length`.
    #[must_use]
    pub fn with_flash(self, per_second: f64, from: Time, length: Duration) -> Self {
        let mut flash = self.steady();
        let base = flash.crowd.rates[0].1;
        flash.crowd.rates = vec![(from, base), (from + length, base + per_second), (flash.end, base)];
        flash
    }
}

/// Returns equal shares of the clients for this number of balancers.
#[must_use]
pub fn equal(balancers: usize) -> Vec<f64> {
    vec![1.0 / balancers as f64; balancers]
}

/// Returns the moment this number of seconds after the beginning.
#[must_use]
pub fn seconds(seconds: u64) -> Time {
    Time::after_origin(Duration::from_secs(seconds))
}
