//! Weights from load: each server's share of the clients follows the room that it has.
//!
//! Kernel schedulers know connections, but not what they cost, nor what a server carries besides. So a server that an agent
//! reports of has its base weight times its headroom: one minus the forecast utilisation. What moves weights moves clients, and
//! clients are heard of late: so weights follow slowly, in steps, and stay where they are for little.
//!
//! Weights are 0 for servers that are drained, and for no others: load alone never takes the last server away.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use weir_fleet::Time;

use super::model::Destination;

/// Headroom is averaged over so many seconds: two reports of an agent, so that none moves clients by itself.
const SMOOTHING: f32 = 5.0;

/// A weight stays while what it should be differs by less than this share of it: schedulers are no more exact.
const DEAD_BAND: f32 = 0.1;

/// The least time between two steps of a weight. By then the last one shows in the reports.
const PAUSE: Duration = Duration::from_secs(2);

/// The most by which one step multiplies or divides a weight.
const LARGEST_STEP: u32 = 2;

/// A new server starts with this share of its weight, as new edges do when clients are redirected.
const LEAST_RAMP: f32 = 0.1;

/// Where servers take turns, weights that follow load are rounded to this share of the heaviest. The kernel's `wrr` counts down
/// from the greatest weight by the greatest common divisor, and serves all that have as much: with 100 and 33 it sends 67
/// clients in a row to the first, with 100 and 30 no more than 7.
const TURNS: u32 = 10;

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// Its weight with nothing to do, 1 to [`Destination::HEAVIEST`].
    pub base: u32,
    /// What it has to do.
    pub measure: Measure,
}

/// What a server has to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// Nobody reports, or has lately: it gets its base weight.
    Unknown,
    /// It is not known yet how it is: it keeps the weight that it has.
    Awaited,
    /// So much of what it can, 0 to 1, and above 1 when it has more than that.
    Utilised(f32),
    /// It is to get no new connections.
    Drained,
}

/// A weight, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weighed {
    /// The weight, 0 to [`Destination::HEAVIEST`]; 0 for drained servers only.
    pub weight: u32,
    /// The headroom that it follows, 0 to 1; `None` while no load is known.
    pub headroom: Option<f32>,
    /// Whether the server is new, and does not get its full share yet.
    pub is_ramping: bool,
}

/// The weights of one group's servers over time.
#[derive(Debug)]
pub struct Weights {
    ramp: Duration,
    /// Whether the scheduler has servers take turns.
    takes_turns: bool,
    courses: BTreeMap<IpAddr, Course>,
}

/// How one weight has come about.
#[derive(Debug, Clone, Copy, Default)]
struct Course {
    /// 0 while it has none: whenever it gets some, it is new.
    weight: u32,
    /// When it was last changed for load.
    stepped_at: Option<Time>,
    /// Smoothed, and when it was.
    headroom: Option<(f32, Time)>,
    /// When it began to ramp up, while it does.
    ramp_from: Option<Time>,
}

impl Weights {
    /// No servers yet; new ones take `ramp` to their full share.
    #[must_use]
    pub fn new(ramp: Duration) -> Self {
        Self { ramp, takes_turns: false, courses: BTreeMap::new() }
    }

    /// The same for a scheduler that has servers take turns, if it does.
    #[must_use]
    pub fn in_turns(self, takes_turns: bool) -> Self {
        Self { takes_turns, ..self }
    }

    /// Goes on with a weight that the kernel has, of whoever set it. Weights of 0 are as good as none.
    pub fn adopt(&mut self, server: IpAddr, weight: u32) {
        if weight == 0 {
            return;
        }
        self.courses.entry(server).or_insert(Course { weight, ..Course::default() });
    }

    /// The weights at `now`, of these servers and no others. Those that are new begin small, unless all are new since Weir
    /// `is_starting`.
    pub fn step(
        &mut self,
        servers: &BTreeMap<IpAddr, Input>,
        is_starting: bool,
        now: Time,
    ) -> BTreeMap<IpAddr, Weighed> {
        // What was adopted waits for who has not been heard yet.
        self.courses.retain(|server, _| is_starting || servers.contains_key(server));
        let heaviest = servers.values().map(|input| input.base).max().unwrap_or(0);
        let grain = if self.takes_turns { (heaviest / TURNS).max(1) } else { 1 };
        // The first servers of a group have nobody who could take their share until they are warm.
        let has_others = !is_starting && self.courses.values().any(|course| course.weight > 0);
        let weigh = |(server, input): (&IpAddr, &Input)| {
            let course = self.courses.entry(*server).or_default();
            if course.weight == 0 {
                course.ramp_from = has_others.then_some(now);
            }
            (*server, course.step(*input, self.ramp, now).rounded(grain))
        };
        servers.iter().map(weigh).collect()
    }
}

impl Weighed {
    /// With a multiple of this for a weight that follows load; the least stays 1, since such a server is to get next to nothing.
    fn rounded(self, grain: u32) -> Self {
        let follows = self.headroom.is_some() || self.is_ramping;
        if self.weight == 0 || !follows {
            return self;
        }
        Self { weight: ((self.weight + grain / 2) / grain * grain).clamp(1, Destination::HEAVIEST), ..self }
    }
}

impl Course {
    fn step(&mut self, input: Input, ramp: Duration, now: Time) -> Weighed {
        if input.measure == Measure::Drained {
            *self = Self::default();
            return Weighed { weight: 0, headroom: None, is_ramping: false };
        }
        if input.measure == Measure::Awaited && self.weight > 0 {
            return Weighed { weight: self.weight, headroom: None, is_ramping: self.ramp_from.is_some() };
        }
        let headroom = self.smooth(input.measure, now);
        let ramped = self.ramped(ramp, now);
        let target = (input.base as f32 * headroom.unwrap_or(1.0) * ramped).round();
        // Within the range, which is one of whole numbers.
        let target = target.clamp(1.0, Destination::HEAVIEST as f32) as u32;
        if self.weight == 0 {
            (self.weight, self.stepped_at) = (target, Some(now));
        } else if self.is_due(now) && target.abs_diff(self.weight) as f32 > self.weight as f32 * DEAD_BAND {
            let least = self.weight.div_ceil(LARGEST_STEP);
            (self.weight, self.stepped_at) = (target.clamp(least, self.weight * LARGEST_STEP), Some(now));
        }
        Weighed { weight: self.weight, headroom, is_ramping: self.ramp_from.is_some() }
    }

    fn is_due(&self, now: Time) -> bool {
        self.stepped_at.is_none_or(|stepped_at| now - stepped_at >= PAUSE)
    }

    fn smooth(&mut self, measure: Measure, now: Time) -> Option<f32> {
        let Measure::Utilised(utilisation) = measure else {
            // What was known is worth nothing by the time that there are reports again.
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

    /// The share of its weight that it may have.
    fn ramped(&mut self, ramp: Duration, now: Time) -> f32 {
        self.ramp_from = self.ramp_from.filter(|since| now - *since < ramp);
        self.ramp_from.map_or(1.0, |since| ((now - since).as_secs_f32() / ramp.as_secs_f32()).max(LEAST_RAMP))
    }
}
