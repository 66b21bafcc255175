//! Estimates for the whole fleet, from the running totals in reports. They correct each report, which is up to an
//! interval old, at a balancer that knows of no assignments but its own.
//!
//! Two figures are enough. The arrival ratio (κ) is the number of clients that arrive at edges for each assignment of
//! this balancer: it accounts for other balancers, for clients that reach an edge without a balancer, and for those
//! that never arrive. The session end rate is the share of sessions that ends per second. Balancers need not talk to
//! each other.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::time::Time;

/// Time constant with which observed arrivals fade: two rounds of reports, so that a change of traffic is followed
/// within seconds.
const ARRIVALS_MEMORY: Duration = Duration::from_secs(5);

/// Time constant with which observed session ends fade. A mass departure is soon over, and an estimate that remembers
/// it is wrong from then on.
const SESSION_ENDS_MEMORY: Duration = Duration::from_secs(1);

/// The smallest number of assignments, or of session ends, from which anything is estimated: with fewer the random
/// error is above 18 %. Fewer do not fade either.
const MIN_EVENTS: f64 = 30.0;

/// The range of the arrival ratio. Below: four of five clients never arrive. Above: more balancers than any fleet has.
const ARRIVAL_RATIO: RangeInclusive<f64> = 0.2..=16.0;

/// The highest session end rate, per second: after a mass departure the reports show the new load soon enough.
const MAX_SESSION_END_RATE: f64 = 0.2;

/// The difference between two successive reports of an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Observation {
    /// Clients that arrived at the edge, limited by [`Observation::plausible_arrivals`].
    pub(super) arrivals: f64,
    /// This balancer's own assignments that should have arrived in that time.
    pub(super) assignments: f64,
    /// Sessions that ended.
    pub(super) ended: f64,
    /// The integral of the number of sessions over that time, in session-seconds.
    pub(super) session_seconds: f64,
}

impl Observation {
    /// Limits the reported `arrivals` of an edge to what the highest arrival ratio allows for its `assignments`. One
    /// edge that miscounts, or lies, then does not spoil the estimates for all others.
    pub(super) fn plausible_arrivals(arrivals: f64, assignments: f64) -> f64 {
        arrivals.min(ARRIVAL_RATIO.end() * assignments.max(MIN_EVENTS))
    }
}

/// Estimates the arrival ratio and the session end rate from the reports of all edges.
#[derive(Clone, Debug)]
pub(super) struct Estimator {
    arrivals: f64,
    assignments: f64,
    ended: f64,
    session_seconds: f64,
    /// The time of the last observation.
    at: Time,
}

impl Estimator {
    pub(super) fn new() -> Self {
        Self { arrivals: 0.0, assignments: 0.0, ended: 0.0, session_seconds: 0.0, at: Time::ORIGIN }
    }

    /// Adds an observation; earlier ones fade.
    pub(super) fn observe(&mut self, observation: Observation, now: Time) {
        let elapsed = (now - self.at).as_secs_f64();
        self.at = now;
        let kept = |events: f64, memory: Duration| {
            if events > MIN_EVENTS { (-elapsed / memory.as_secs_f64()).exp().max(MIN_EVENTS / events) } else { 1.0 }
        };
        let (arrivals, ends) = (kept(self.assignments, ARRIVALS_MEMORY), kept(self.ended, SESSION_ENDS_MEMORY));
        self.arrivals = self.arrivals * arrivals + observation.arrivals;
        self.assignments = self.assignments * arrivals + observation.assignments;
        self.ended = self.ended * ends + observation.ended;
        self.session_seconds = self.session_seconds * ends + observation.session_seconds;
    }

    /// Returns the ratio of observed arrivals to this balancer's assignments; 1 until enough assignments were made.
    pub(super) fn arrival_ratio(&self) -> f64 {
        if self.assignments < MIN_EVENTS {
            1.0
        } else {
            (self.arrivals / self.assignments).clamp(*ARRIVAL_RATIO.start(), *ARRIVAL_RATIO.end())
        }
    }

    /// Returns the share of sessions that ends per second; 0 until enough sessions have ended.
    pub(super) fn session_end_rate(&self) -> f64 {
        if self.ended < MIN_EVENTS { 0.0 } else { (self.ended / self.session_seconds).min(MAX_SESSION_END_RATE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn one_edge_that_miscounts_does_not_spoil_the_estimates_for_all() {
        let mut estimator = Estimator::new();
        for report in 0..100 {
            let arrivals = if report % 20 == 0 { 1e15 } else { 300.0 };
            let arrivals = Observation::plausible_arrivals(arrivals, 100.0);
            estimator.observe(Observation { arrivals, assignments: 100.0, ..Observation::default() }, at(report * 100));
        }
        assert!((3.0..4.0).contains(&estimator.arrival_ratio()), "{}", estimator.arrival_ratio());
    }

    #[test]
    fn observations_of_few_events_do_not_fade() {
        let mut estimator = Estimator::new();
        let observation = Observation { arrivals: 90.0, assignments: 30.0, ended: 30.0, session_seconds: 3000.0 };
        estimator.observe(observation, at(0));
        estimator.observe(Observation::default(), at(600_000));
        assert_eq!(estimator.arrival_ratio(), 3.0);
        assert_eq!(estimator.session_end_rate(), 0.01);
    }

    #[test]
    fn the_estimates_follow_a_change_of_traffic_within_two_rounds_of_reports() {
        let mut estimator = Estimator::new();
        let with_arrivals = |arrivals| Observation { arrivals, assignments: 100.0, ..Observation::default() };
        (0..20).for_each(|report| estimator.observe(with_arrivals(100.0), at(report * 100)));
        (20..70).for_each(|report| estimator.observe(with_arrivals(300.0), at(report * 100)));
        assert!(estimator.arrival_ratio() > 2.0, "{}", estimator.arrival_ratio());
    }
}
