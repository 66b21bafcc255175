//! The load that an edge is expected to have once it has one more client.

use std::sync::atomic::Ordering;

use weir_protocol::report::Status;

use super::{IS_ALLOWED, LIMITS_SESSIONS, Load, PRIOR_SESSIONS, STALE_INTERVALS};
use crate::forecast::Forecast;
use crate::reason::Exclusion;
use crate::state::State;

/// A report is fresh for this number of the edge's intervals. For each interval beyond, up to
/// [`STALE_INTERVALS`], the edge counts as busier by once its utilisation.
const FRESH_INTERVALS: f32 = 2.0;

/// The expected load of an edge once it has one more client.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// The number of sessions.
    pub sessions: f32,
    /// The number of sessions divided by the weight.
    pub sessions_per_weight: f32,
    /// The outgoing bandwidth in bits per second, divided by the weight.
    pub bits_per_weight: f32,
    /// The highest of all utilisations, divided by the weight; 1 is a limit that is reached. Raised when the last
    /// report is old.
    pub utilisation: f32,
    /// The part of the utilisation that comes from the client, and from those that other balancers are about to send.
    pub(crate) step: f32,
    /// Whether a limit would be exceeded.
    pub(crate) is_full: bool,
}

impl Expected {
    /// Returns the utilisation without the client, and without those that other balancers are about to send; at least
    /// 0.
    ///
    /// For callers that make no assignments, such as kernel mode: where clients arrive without assignments, the arrival
    /// ratio, and with it the share of other balancers, has no meaningful bound.
    #[must_use]
    pub fn present_utilisation(&self) -> f32 {
        (self.utilisation - self.step).max(0.0)
    }
}

impl Load {
    /// Returns the expected load once the edge has one more client. Marks the edge as full when a limit would be
    /// exceeded.
    ///
    /// # Errors
    /// Returns the [`Exclusion`] for which the edge gets no client.
    pub fn expect(&self, forecast: &Forecast) -> Result<Expected, Exclusion> {
        let expected = self.expect_beyond_limits(forecast)?;
        // The mark stays until a report shows that there is room again.
        if expected.is_full {
            self.full.store(1, Ordering::Relaxed);
        }
        if self.is_full() { Err(Exclusion::Full) } else { Ok(expected) }
    }

    /// As [`Load::expect`], for clients that get a full edge rather than none.
    ///
    /// The arrival ratio (κ) and not 1 is added for the client. Of κ clients that arrive at the edge one is this
    /// balancer's, so that the edge must have room for κ. With 1, small edges would be filled beyond the others.
    pub(crate) fn expect_beyond_limits(&self, forecast: &Forecast) -> Result<Expected, Exclusion> {
        let age = self.age(forecast);
        let intervals = age * self.inverse_interval.get();
        self.exclude(age, intervals, forecast)?;

        let new = forecast.arrival_ratio * (self.unreported_assignments() + 1.0);
        let stay = 1.0 - (forecast.session_end_rate * age).min(0.5);
        let sessions = self.sessions.get() * stay + new;
        let bits_per_session = self.bits_per_session.get();
        let bits = self.bits_per_second.get() * stay + bits_per_session * new;
        // A utilisation that is in neither is assumed to rise in proportion to the sessions.
        let mut other = self.other_utilisation.get();
        if other > 0.0 {
            other *= 1.0 + new / (self.sessions.get() + PRIOR_SESSIONS);
        }
        let (inverse_sessions, inverse_bits) = (self.inverse_sessions.get(), self.inverse_bits.get());
        let utilisation = (sessions * inverse_sessions).max(bits * inverse_bits).max(other);

        // Limits apply to this client alone: those that other balancers are about to send are not there yet.
        let others = forecast.arrival_ratio - 1.0;
        let inverse_weight = self.inverse_weight.get();
        let limits_sessions = self.has(LIMITS_SESSIONS);
        let exceeds_a_limit = (limits_sessions && (sessions - others) * inverse_sessions > inverse_weight)
            || (bits - bits_per_session * others) * inverse_bits > inverse_weight
            || self.other_utilisation.get() >= inverse_weight;
        // Without any report for minutes, own assignments add up and no session seems to end. They still tell which
        // edge is next, but not which one is full.
        let is_full = exceeds_a_limit && !forecast.is_isolated();
        Ok(Expected {
            sessions,
            sessions_per_weight: sessions * inverse_weight,
            bits_per_weight: bits * inverse_weight,
            utilisation: utilisation * (1.0 + (intervals - FRESH_INTERVALS).max(0.0)),
            step: forecast.arrival_ratio * inverse_sessions.max(bits_per_session * inverse_bits),
            is_full,
        })
    }

    /// Checks the state of the edge and the age of its report. Done for each choice, so that an edge gets no clients
    /// from the moment on at which it stops or times out, rather than from the next snapshot on.
    fn exclude(&self, age: f32, intervals: f32, forecast: &Forecast) -> Result<(), Exclusion> {
        let is_available = self.status.load(Ordering::Relaxed) == Status::Running as u8
            && self.timed_out.load(Ordering::Relaxed) == 0
            && self.has(IS_ALLOWED);
        if is_available && age <= forecast.timeout && intervals <= STALE_INTERVALS {
            return Ok(());
        }
        Err(match self.state() {
            _ if !self.has(IS_ALLOWED) => Exclusion::Disallowed,
            State::Paused => Exclusion::Paused,
            State::Draining => Exclusion::Draining,
            State::Stopping => Exclusion::Stopping,
            State::Running if age <= forecast.timeout => Exclusion::Stale,
            State::Running | State::TimedOut => Exclusion::TimedOut,
        })
    }

    /// Returns the time since the last report, in seconds, not counting a period of isolation.
    fn age(&self, forecast: &Forecast) -> f32 {
        forecast.gap.silent_micros(self.reported_at(), forecast.now).cast_signed() as f32 * 1e-6
    }
}
