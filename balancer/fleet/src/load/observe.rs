//! How a report changes the load of its edge.

use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_protocol::Report;

use super::{
    INCLUDED_SCALE, LIMITS_SESSIONS, Load, NOMINAL_SESSIONS, PRIOR_SESSIONS, STALE_INTERVALS, UNKNOWN,
    UNKNOWN_CONNECTIONS,
};
use crate::estimator::Observation;
use crate::rules::Rules;
use crate::state::State;
use crate::time::{Moment, Time};

/// A full edge gets clients again below this share of its limits, so that it does not flap at the limit.
const NO_LONGER_FULL: f32 = 0.95;

impl Load {
    /// Applies a report. Fields that the report leaves out keep their last values. Returns the difference to the
    /// previous report, if the edge counts its clients.
    pub(crate) fn apply(
        &self,
        report: &Report<'_>,
        is_allowed: bool,
        now: Moment,
        rules: &Rules,
        fleet_bits_per_session: f32,
    ) -> Option<Observation> {
        let time = now.monotonic;
        let elapsed = time - self.reported_at();
        let observation = self.apply_counts(report, elapsed, time);

        self.reported_at.store(time.as_micros(), Ordering::Relaxed);
        let interval = report.interval.as_secs_f32();
        self.inverse_interval.set(if interval > 0.0 { 1.0 / interval } else { 0.0 });
        self.reasons.store(report.reasons.0, Ordering::Relaxed);
        let skew = report.send_time.wrapping_sub(now.unix).cast_signed();
        let limit = i64::from(i32::MAX);
        self.clock_skew.store(skew.clamp(-limit, limit) as i32, Ordering::Relaxed);
        let drain_deadline = report.drain_deadline.map_or(UNKNOWN, |left| (time + left).as_micros());
        self.drain_deadline.store(drain_deadline, Ordering::Relaxed);
        self.apply_capacity(report, rules, fleet_bits_per_session);
        self.set_allowed(is_allowed);

        let status = State::from(report.status) as u8;
        self.status.store(status, Ordering::Relaxed);
        self.timed_out.store(0, Ordering::Relaxed);
        observation
    }

    /// Applies the number of connections, and of those accepted since the start of the media server.
    fn apply_counts(&self, report: &Report<'_>, elapsed: Duration, now: Time) -> Option<Observation> {
        let max = u64::from(UNKNOWN_CONNECTIONS - 1);
        let Some(connections) = report.load.connections else {
            // Each report of an edge that never counts connections is assumed to include all assignments so far. An
            // edge that has counted before will do so again.
            if self.connections().is_none() {
                self.include_assignments(now);
            }
            return None;
        };
        let connections = connections.min(max) as u32;
        let assignments = self.include_assignments(now);
        let connections_before = self.connections.swap(connections, Ordering::Relaxed);
        self.sessions.set(connections as f32);

        let accepted = report.load.accepted.map_or(UNKNOWN, |accepted| accepted.min(UNKNOWN - 1));
        let accepted_before = self.accepted.swap(accepted, Ordering::Relaxed);
        let is_first = [accepted, accepted_before].contains(&UNKNOWN) || connections_before == UNKNOWN_CONNECTIONS;
        // The media server has restarted, or other balancers have used the edge while its reports were lost here.
        if is_first || accepted < accepted_before || elapsed > report.interval.mul_f32(STALE_INTERVALS) {
            return None;
        }
        let arrivals = Observation::plausible_arrivals((accepted - accepted_before) as f64, assignments);
        let (connections, connections_before) = (f64::from(connections), f64::from(connections_before));
        Some(Observation {
            arrivals,
            assignments,
            ended: (arrivals - (connections - connections_before)).max(0.0),
            session_seconds: (connections + connections_before) / 2.0 * elapsed.as_secs_f64(),
        })
    }

    /// Marks the assignments until now as included in the report, except for those whose clients are on their way.
    /// Returns how many more those are than before.
    fn include_assignments(&self, now: Time) -> f64 {
        let assignments = self.assignments.load(Ordering::Relaxed);
        let on_the_way = self.recent.on_the_way(now) * INCLUDED_SCALE;
        let included = (assignments * u64::from(INCLUDED_SCALE as u16)).saturating_sub(on_the_way as u64);
        let before = self.included.swap(included, Ordering::Relaxed);
        self.assignments_reported.store(assignments as u32, Ordering::Relaxed);
        (included as f64 - before as f64) / f64::from(INCLUDED_SCALE)
    }

    /// Applies bandwidth, limits and other utilisations.
    fn apply_capacity(&self, report: &Report<'_>, rules: &Rules, fleet_bits_per_session: f32) {
        let (load, capacity) = (&report.load, &report.capacity);
        let inverse_weight = 1.0 / weight(report);
        if let Some(rate) = load.out_bits_per_second {
            self.out_bits_per_second.store(rate.min(UNKNOWN - 1), Ordering::Relaxed);
            let (bits, sessions) = (rate as f32, self.sessions.get());
            self.bits_per_second.set(bits);
            let average = (bits + fleet_bits_per_session * PRIOR_SESSIONS) / (sessions + PRIOR_SESSIONS);
            // Without a count of sessions the fleet's average is all there is.
            self.bits_per_session.set(if self.connections().is_some() { average } else { fleet_bits_per_session });
        }
        // With a limit of 0, one client is a utilisation of 2.
        let inverse = |limit: u64| inverse_weight / (limit as f32).max(0.5);
        let measures_bits = self.out_bits_per_second().is_some();
        let by_bits = capacity.bits_per_second.filter(|_| measures_bits).map(inverse);
        let by_sessions = match (capacity.connections, by_bits) {
            (Some(limit), _) => inverse(limit),
            (None, Some(_)) => 0.0,
            (None, None) => inverse_weight / NOMINAL_SESSIONS,
        };
        self.inverse_sessions.set(by_sessions);
        self.inverse_bits.set(by_bits.unwrap_or(0.0));
        self.inverse_weight.set(inverse_weight);
        let cpu = load.cpu.zip(rules.cpu_limit).map_or(0.0, |(cpu, limit)| cpu / limit);
        let other = load.utilisations.iter().fold(cpu, |highest, (_, utilisation)| highest.max(*utilisation));
        self.other_utilisation.set(other * inverse_weight);

        self.set(LIMITS_SESSIONS, capacity.connections.is_some());
        self.update_full();
    }

    /// Updates whether the edge is full, by the report that has just been applied.
    fn update_full(&self) {
        let inverse_weight = self.inverse_weight.get();
        let sessions = self.sessions.get() + self.unreported_assignments();
        let sessions = if self.has(LIMITS_SESSIONS) { sessions * self.inverse_sessions.get() } else { 0.0 };
        let bits = self.bits_per_second.get() + self.bits_per_session.get() * self.unreported_assignments();
        let utilisation =
            sessions.max(bits * self.inverse_bits.get()).max(self.other_utilisation.get()) / inverse_weight;
        if utilisation >= 1.0 {
            self.full.store(1, Ordering::Relaxed);
        } else if utilisation < NO_LONGER_FULL {
            self.full.store(0, Ordering::Relaxed);
        }
    }
}

/// Returns the weight in the report, 1 by default, limited to one millionth to a million so that products stay finite.
pub(crate) fn weight(report: &Report<'_>) -> f32 {
    report.weight.unwrap_or(1.0).clamp(1e-6, 1e6)
}
