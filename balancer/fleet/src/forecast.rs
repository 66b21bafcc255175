//! What is learned of the whole fleet from its reports, to correct each of them: they are up to an interval old, and this
//! balancer knows of its own hand-outs only.
//!
//! Two numbers do it. κ says how many clients arrive for each that this balancer hands out: other balancers, clients that
//! come by themselves, and those that never arrive are all in it. The departure rate says which share of the sessions
//! ends per second. Both come from the running totals in the reports, and no balancer talks to another.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::atomic::AtomicF32;
use crate::liveness::Gap;
use crate::time::Time;

/// What is learned of arrivals fades with this time constant: two rounds of reports, so that a change of traffic is
/// followed within seconds.
const ARRIVALS_MEMORY: Duration = Duration::from_secs(5);

/// … and of departures with this one: when everybody leaves at once, that is soon over, and what was learned of it is
/// wrong from then on.
const DEPARTURES_MEMORY: Duration = Duration::from_secs(1);

/// Fewer hand-outs, or departures, say nothing: their random error is above 18 %. What is known of fewer does not fade.
const LEAST_EVENTS: f64 = 30.0;

/// κ is kept in this range. Below: four of five clients never arrive. Above: more balancers than anybody runs.
const KAPPA: std::ops::RangeInclusive<f64> = 0.2..=16.0;

/// Highest departure rate, per second: when everybody leaves at once, the reports say so soon enough.
const MOST_DEPARTURES: f64 = 0.2;

/// What one report says, compared with the one before it of the same edge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Observation {
    /// Clients that arrived at the edge; see [`Observation::believable`].
    pub(super) arrived: f64,
    /// Clients that this balancer sent there, and that should have arrived in that time.
    pub(super) own: f64,
    /// Sessions that ended.
    pub(super) left: f64,
    /// Sessions × seconds over that time.
    pub(super) session_seconds: f64,
}

impl Observation {
    /// How many of so many arrivals are believed of an edge that got `own` hand-outs: no more than the highest κ allows, so
    /// that one edge that miscounts, or lies, does not spoil the forecast of all others.
    pub(super) fn believable(arrived: f64, own: f64) -> f64 {
        arrived.min(KAPPA.end() * own.max(LEAST_EVENTS))
    }
}

/// Learns from all edges' reports.
#[derive(Clone, Debug)]
pub(super) struct Correction {
    arrived: f64,
    own: f64,
    left: f64,
    session_seconds: f64,
    at: Time,
}

impl Correction {
    pub(super) fn new() -> Self {
        Self { arrived: 0.0, own: 0.0, left: 0.0, session_seconds: 0.0, at: Time::ORIGIN }
    }

    /// Takes in what a report says.
    pub(super) fn learn(&mut self, observation: Observation, now: Time) {
        let elapsed = (now - self.at).as_secs_f64();
        self.at = now;
        let kept = |events: f64, memory: Duration| {
            if events > LEAST_EVENTS { (-elapsed / memory.as_secs_f64()).exp().max(LEAST_EVENTS / events) } else { 1.0 }
        };
        let (arrivals, departures) = (kept(self.own, ARRIVALS_MEMORY), kept(self.left, DEPARTURES_MEMORY));
        self.arrived = self.arrived * arrivals + observation.arrived;
        self.own = self.own * arrivals + observation.own;
        self.left = self.left * departures + observation.left;
        self.session_seconds = self.session_seconds * departures + observation.session_seconds;
    }

    /// Clients that arrive for each that this balancer hands out.
    pub(super) fn arrival_ratio(&self) -> f64 {
        if self.own < LEAST_EVENTS { 1.0 } else { (self.arrived / self.own).clamp(*KAPPA.start(), *KAPPA.end()) }
    }

    /// The share of sessions that ends per second.
    pub(super) fn session_end_rate(&self) -> f64 {
        if self.left < LEAST_EVENTS { 0.0 } else { (self.left / self.session_seconds).min(MOST_DEPARTURES) }
    }
}

/// What the control thread has learned, for those who choose.
#[derive(Debug)]
pub(super) struct Learned {
    arrival_ratio: AtomicF32,
    session_end_rate: AtomicF32,
    gap_from: AtomicU64,
    gap_until: AtomicU64,
    /// In seconds.
    timeout: f32,
}

impl Learned {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            arrival_ratio: AtomicF32::new(1.0),
            session_end_rate: AtomicF32::new(0.0),
            gap_from: AtomicU64::new(0),
            gap_until: AtomicU64::new(0),
            timeout: timeout.as_secs_f32(),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "both are small numbers, and their error is larger")]
    pub(super) fn publish(&self, correction: &Correction, gap: Gap) {
        self.arrival_ratio.set(correction.arrival_ratio() as f32);
        self.session_end_rate.set(correction.session_end_rate() as f32);
        self.gap_from.store(gap.from.as_micros(), Ordering::Relaxed);
        self.gap_until.store(gap.until.as_micros(), Ordering::Relaxed);
    }

    /// Everything that a choice at `now` needs to know of the fleet as a whole.
    pub(super) fn forecast(&self, now: Time) -> Forecast {
        Forecast {
            now,
            arrival_ratio: self.arrival_ratio.get(),
            session_end_rate: self.session_end_rate.get(),
            gap: Gap {
                from: Time::from_micros(self.gap_from.load(Ordering::Relaxed)),
                until: Time::from_micros(self.gap_until.load(Ordering::Relaxed)),
            },
            timeout: self.timeout,
        }
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self::new(Duration::MAX)
    }
}

/// What holds for all edges at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    pub(crate) now: Time,
    /// Clients that arrive for each that this balancer hands out.
    pub arrival_ratio: f32,
    /// The share of sessions that ends per second.
    pub session_end_rate: f32,
    pub(super) gap: Gap,
    /// In seconds.
    pub(super) timeout: f32,
}

impl Forecast {
    /// The moment that it is made for.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// An edge that has been silent for longer gets nobody.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f32(self.timeout).unwrap_or(Duration::MAX)
    }

    /// Whether this balancer suspects that it is cut off from the edges, rather than all of them from it.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.gap.lasts()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{SOURCE, at, id, report};
    use crate::{Fleet, FleetSettings, Lifetimes, Selector};

    /// One round of reports, in milliseconds.
    const ROUND: u64 = 2500;

    /// κ at each of several balancers that give out these shares of the traffic, after so many rounds. Of ten clients
    /// one never arrives, and the others do after 200 ms; `direct` more come by themselves for each ten.
    fn kappas(shares: &[u64], direct: u64, rounds: u64) -> Vec<f64> {
        const EDGES: u8 = 5;
        let lifetimes = Lifetimes { timeout: Duration::from_secs(5), forget_after: Duration::from_secs(3600) };
        let fleet = || Fleet::new(lifetimes, Arc::new(Selector::new(FleetSettings::default(), [])));
        let mut fleets: Vec<Fleet> = shares.iter().map(|_| fleet()).collect();
        let mut accepted = 0;
        for round in 0..=rounds {
            let start = round * ROUND;
            let mut report = report();
            // Everybody stays.
            report.load.connections = Some(accepted);
            report.load.accepted = Some(accepted);
            for fleet in &mut fleets {
                for edge in 0..EDGES {
                    fleet.apply(id(edge), &report, SOURCE, at(start).into());
                }
                fleet.sweep(at(start), |_, _| {});
            }
            // The same to every edge, in the middle of the round, so that nobody is on the way when it ends.
            for (fleet, share) in fleets.iter().zip(shares) {
                for edge in fleet.edges.values() {
                    (0..share * 10).for_each(|_| edge.load.assign(at(start + ROUND / 5)));
                }
            }
            let handed_out: u64 = shares.iter().sum::<u64>() * 10;
            accepted += handed_out * 9 / 10 + handed_out * direct / 10;
        }
        fleets.iter().map(|fleet| fleet.correction.arrival_ratio()).collect()
    }

    #[test]
    fn kappa_converges_to_the_number_of_balancers() {
        for balancers in [1, 3, 10] {
            for arrival_ratio in kappas(&vec![10; balancers], 0, 4) {
                let expected = balancers as f64 * 0.9;
                assert!((arrival_ratio / expected - 1.0).abs() < 0.02, "{balancers}: {arrival_ratio}");
            }
        }
    }

    #[test]
    fn until_enough_was_handed_out_kappa_is_one() {
        assert_eq!(kappas(&[10, 10, 10], 0, 0), [1.0; 3]);
    }

    #[test]
    fn kappa_stays_within_its_bounds_when_almost_all_clients_come_by_themselves() {
        assert_eq!(kappas(&[10], 500, 4), [16.0]);
    }

    #[test]
    fn one_edge_that_miscounts_does_not_spoil_the_forecast_of_all() {
        let mut correction = Correction::new();
        for report in 0..100 {
            let arrived = if report % 20 == 0 { 1e15 } else { 300.0 };
            let arrived = Observation::believable(arrived, 100.0);
            correction.learn(Observation { arrived, own: 100.0, ..Observation::default() }, at(report * 100));
        }
        assert!((3.0..4.0).contains(&correction.arrival_ratio()), "{}", correction.arrival_ratio());
    }

    #[test]
    fn what_was_learned_of_few_events_does_not_fade() {
        let mut correction = Correction::new();
        let observation = Observation { arrived: 90.0, own: 30.0, left: 30.0, session_seconds: 3000.0 };
        correction.learn(observation, at(0));
        correction.learn(Observation::default(), at(600_000));
        assert_eq!(correction.arrival_ratio(), 3.0);
        assert_eq!(correction.session_end_rate(), 0.01);
    }

    #[test]
    fn a_change_of_traffic_is_followed_within_two_rounds_of_reports() {
        let mut correction = Correction::new();
        let with_arrivals = |arrived| Observation { arrived, own: 100.0, ..Observation::default() };
        (0..20).for_each(|report| correction.learn(with_arrivals(100.0), at(report * 100)));
        (20..70).for_each(|report| correction.learn(with_arrivals(300.0), at(report * 100)));
        assert!(correction.arrival_ratio() > 2.0, "{}", correction.arrival_ratio());
    }

    proptest! {
        #[test]
        fn kappa_is_all_arrivals_over_own_whatever_the_shares(
            shares in prop::collection::vec(5_u64..50, 1..6), direct in 0_u64..10,
        ) {
            let all = shares.iter().sum::<u64>() as f64 * (0.9 + direct as f64 / 10.0);
            for (arrival_ratio, share) in kappas(&shares, direct, 4).into_iter().zip(&shares) {
                let expected = (all / *share as f64).clamp(0.2, 16.0);
                prop_assert!((arrival_ratio / expected - 1.0).abs() < 0.02, "{} and not {}", arrival_ratio, expected);
            }
        }
    }
}
