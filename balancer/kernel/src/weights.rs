//! Weights from load: a server's share of clients follows its headroom.
//!
//! The kernel's schedulers count connections, but do not know what they cost, nor what else a server does. So a server
//! with an agent gets its base weight times its headroom, which is 1 minus its forecast utilisation. A change of
//! weights moves clients, and agents report the effect with a delay. So weights change in limited steps, and ignore
//! small differences.
//!
//! Only draining servers have weight 0: load alone never removes the last server.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use weir_fleet::Time;

use super::model::Destination;

/// Time constant of the smoothing of headroom, in seconds: two reports of an agent, so that a single one moves few
/// clients.
const SMOOTHING: f32 = 5.0;

/// A weight is kept while its target differs by at most this share of it. Schedulers are no more precise.
const DEAD_BAND: f32 = 0.1;

/// Minimum time between two steps of a weight. By then the effect of the last step is in the reports.
const MIN_STEP_INTERVAL: Duration = Duration::from_secs(2);

/// Maximum factor of a step, up or down.
const MAX_STEP: u32 = 2;

/// Initial share of its weight that a new server gets, as new edges do in redirects.
const MIN_RAMP: f32 = 0.1;

/// Number of steps to which weights that follow load are rounded for weighted round robin, as a share of the highest
/// base weight. The kernel's `wrr` counts down from the highest weight by the greatest common divisor, and picks all
/// servers that have at least as much: with 100 and 33 it sends 67 clients in a row to the first, with 100 and 30 no
/// more than 7.
const ROUND_ROBIN_STEPS: u32 = 10;

/// What a server's weight is computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightInput {
    /// Weight without load, 1 to [`Destination::MAX_WEIGHT`].
    pub base: u32,
    /// Load of the server.
    pub load: Load,
}

/// Load of a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// No recent report: the server gets its base weight.
    Unknown,
    /// The first report or check is still outstanding: the server keeps its weight.
    Pending,
    /// Utilisation, 0 to 1, or above 1 for an overloaded server.
    Utilised(f32),
    /// The server gets no new connections.
    Draining,
}

/// A weight, and what it was computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServerWeight {
    /// The weight, 0 to [`Destination::MAX_WEIGHT`]; 0 only while draining.
    pub weight: u32,
    /// Smoothed headroom, 0 to 1; `None` while the load is unknown.
    pub headroom: Option<f32>,
    /// Whether the server is new, and its weight is still ramping up.
    pub is_ramping: bool,
}

/// The weights of one service's servers over time.
#[derive(Debug)]
pub struct Weights {
    ramp: Duration,
    /// Whether the scheduler is weighted round robin.
    is_round_robin: bool,
    servers: BTreeMap<IpAddr, WeightState>,
}

/// State of one server's weight.
#[derive(Debug, Clone, Copy, Default)]
struct WeightState {
    /// Current weight. A server with weight 0 is new when it gets weight again.
    weight: u32,
    /// When the weight last changed for load.
    stepped_at: Option<Time>,
    /// Smoothed headroom, and when it was computed.
    headroom: Option<(f32, Time)>,
    /// When the ramp began; `None` once it is complete.
    ramp_from: Option<Time>,
}

impl Weights {
    /// Weights for no servers. New servers ramp up over `ramp`.
    #[must_use]
    pub fn new(ramp: Duration) -> Self {
        Self { ramp, is_round_robin: false, servers: BTreeMap::new() }
    }

    /// Rounds weights for weighted round robin if `is_round_robin`.
    #[must_use]
    pub fn round_robin(self, is_round_robin: bool) -> Self {
        Self { is_round_robin, ..self }
    }

    /// Continues with a weight that the kernel has. Weight 0 counts as none.
    pub fn adopt(&mut self, server: IpAddr, weight: u32) {
        if weight == 0 {
            return;
        }
        self.servers.entry(server).or_insert(WeightState { weight, ..WeightState::default() });
    }

    /// Computes the weights of exactly these servers at `now`. New servers ramp up, except while Weir itself
    /// `is_starting` and all servers are new to it.
    pub fn step(
        &mut self,
        servers: &BTreeMap<IpAddr, WeightInput>,
        is_starting: bool,
        now: Time,
    ) -> BTreeMap<IpAddr, ServerWeight> {
        // Adopted weights are kept for servers whose agents have not reported yet.
        self.servers.retain(|server, _| is_starting || servers.contains_key(server));
        let highest = servers.values().map(|input| input.base).max().unwrap_or(0);
        let granularity = if self.is_round_robin { (highest / ROUND_ROBIN_STEPS).max(1) } else { 1 };
        // The first servers of a service do not ramp up, since no others could serve in the meantime.
        let has_others = !is_starting && self.servers.values().any(|state| state.weight > 0);
        let weigh = |(server, input): (&IpAddr, &WeightInput)| {
            let state = self.servers.entry(*server).or_default();
            if state.weight == 0 {
                state.ramp_from = has_others.then_some(now);
            }
            (*server, state.step(*input, self.ramp, now).rounded(granularity))
        };
        servers.iter().map(weigh).collect()
    }
}

impl ServerWeight {
    /// Rounds a weight that follows load to a multiple of `granularity`. The minimum stays 1, since a full server must
    /// get next to nothing.
    fn rounded(self, granularity: u32) -> Self {
        let follows_load = self.headroom.is_some() || self.is_ramping;
        if self.weight == 0 || !follows_load {
            return self;
        }
        let rounded = (self.weight + granularity / 2) / granularity * granularity;
        Self { weight: rounded.clamp(1, Destination::MAX_WEIGHT), ..self }
    }
}

impl WeightState {
    fn step(&mut self, input: WeightInput, ramp: Duration, now: Time) -> ServerWeight {
        if input.load == Load::Draining {
            *self = Self::default();
            return ServerWeight { weight: 0, headroom: None, is_ramping: false };
        }
        if input.load == Load::Pending && self.weight > 0 {
            return ServerWeight { weight: self.weight, headroom: None, is_ramping: self.ramp_from.is_some() };
        }
        let headroom = self.smooth(input.load, now);
        let ramp = self.ramp(ramp, now);
        let target = (input.base as f32 * headroom.unwrap_or(1.0) * ramp).round();
        // The cast is exact: the value is a whole number within the range.
        let target = target.clamp(1.0, Destination::MAX_WEIGHT as f32) as u32;
        if self.weight == 0 {
            (self.weight, self.stepped_at) = (target, Some(now));
        } else if self.is_due(now) && target.abs_diff(self.weight) as f32 > self.weight as f32 * DEAD_BAND {
            let lowest = self.weight.div_ceil(MAX_STEP);
            (self.weight, self.stepped_at) = (target.clamp(lowest, self.weight * MAX_STEP), Some(now));
        }
        ServerWeight { weight: self.weight, headroom, is_ramping: self.ramp_from.is_some() }
    }

    fn is_due(&self, now: Time) -> bool {
        self.stepped_at.is_none_or(|stepped_at| now - stepped_at >= MIN_STEP_INTERVAL)
    }

    fn smooth(&mut self, load: Load, now: Time) -> Option<f32> {
        let Load::Utilised(utilisation) = load else {
            // The old value is meaningless by the time that reports arrive again.
            self.headroom = None;
            return None;
        };
        let latest = (1.0 - utilisation).clamp(0.0, 1.0);
        let smoothed = self.headroom.map_or(latest, |(before, at)| {
            let elapsed = (now - at).as_secs_f32();
            latest + (before - latest) * (-elapsed / SMOOTHING).exp()
        });
        self.headroom = Some((smoothed, now));
        Some(smoothed)
    }

    /// The share of its weight that the ramp allows.
    fn ramp(&mut self, ramp: Duration, now: Time) -> f32 {
        self.ramp_from = self.ramp_from.filter(|since| now - *since < ramp);
        self.ramp_from.map_or(1.0, |since| ((now - since).as_secs_f32() / ramp.as_secs_f32()).max(MIN_RAMP))
    }
}
