//! The load and liveness of one edge, reported and expected.
//!
//! | file         | contents                                                    |
//! |--------------|-------------------------------------------------------------|
//! | this one     | the figures, and what other crates read of them             |
//! | [`expected`] | the load that is expected once the edge has one more client |
//! | [`observe`]  | how a report changes the figures                            |
//! | [`ramp`]     | the ramp of a new edge                                      |

mod expected;
mod observe;
mod ramp;

use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use weir_protocol::report::{Reasons, Status};

use crate::atomic::AtomicF32;
use crate::recent_assignments::RecentAssignments;
use crate::state::State;
use crate::time::Time;

pub use self::expected::Expected;
pub(super) use self::observe::weight;

/// The capacity of an edge that reports none, in sessions. Only the ratio to other edges matters.
pub(super) const NOMINAL_SESSIONS: f32 = 1000.0;

/// Stands for an unknown value. No edge has accepted or sent this much, and no drain lasts this long.
const UNKNOWN: u64 = u64::MAX;

/// Stands for an unknown number of connections. No edge has this many.
const UNKNOWN_CONNECTIONS: u32 = u32::MAX;

/// An edge is stale when its last report is older than this number of its intervals.
const STALE_INTERVALS: f32 = 4.0;

/// The number of average sessions of the fleet that are added to those of an edge when the bandwidth of its next
/// session is estimated (a prior): an edge with few sessions is estimated from the fleet, one with many from itself.
const PRIOR_SESSIONS: f32 = 10.0;

/// The fixed-point scale of [`Load::included`].
const INCLUDED_SCALE: f32 = 256.0;

/// Flag: the edge itself reports a limit on connections, other than [`NOMINAL_SESSIONS`].
const LIMITS_SESSIONS: u8 = 1;
/// Flag: clients may be redirected to every host that the edge names.
const IS_ALLOWED: u8 = 2;

/// The load and liveness of one edge.
///
/// The owner of the [`Fleet`](crate::Fleet) applies reports. Any thread may read, and count assignments. Each figure is
/// an atomic of its own and not ordered with the others: a choice that sees half of a report is as good as one a
/// microsecond earlier.
///
/// The fields that are read for every edge that is drawn come first, and fill one cache line.
#[derive(Debug)]
#[repr(C)]
pub struct Load {
    /// Clients that this balancer has assigned to the edge; a running total.
    assignments: AtomicU64,
    /// How many of them the last report is assumed to include, times [`INCLUDED_SCALE`].
    included: AtomicU64,
    /// Microseconds of [`Time`].
    reported_at: AtomicU64,
    sessions: AtomicF32,
    /// The inverse of session limit × weight. 0 when the edge is limited by bandwidth only.
    inverse_sessions: AtomicF32,
    bits_per_second: AtomicF32,
    /// The expected bandwidth of the next session.
    bits_per_session: AtomicF32,
    /// The inverse of bandwidth limit × weight. 0 without a bandwidth limit.
    inverse_bits: AtomicF32,
    /// The highest utilisation that is measured neither in sessions nor in bits, divided by the weight.
    other_utilisation: AtomicF32,
    inverse_weight: AtomicF32,
    /// The inverse of the reporting interval, per second; 0 when the edge reports none.
    inverse_interval: AtomicF32,
    /// When the ramp started, in [`ramp::TICK`]s; 0 when the edge does not ramp up.
    ramp_started: AtomicU32,
    status: AtomicU8,
    timed_out: AtomicU8,
    full: AtomicU8,
    flags: AtomicU8,

    // From here on: used for each assignment and each report, and read for operators.
    recent: RecentAssignments,
    accepted: AtomicU64,
    out_bits_per_second: AtomicU64,
    /// When the drain ends, in microseconds of [`Time`]; [`UNKNOWN`] when the edge does not drain, or has no deadline.
    drain_deadline: AtomicU64,
    /// [`UNKNOWN_CONNECTIONS`] when the edge has never reported a number.
    connections: AtomicU32,
    /// The lower half of `assignments` when the edge last reported its number of connections.
    assignments_reported: AtomicU32,
    /// The milliseconds by which the edge's clock is ahead of this balancer's. Negative when it is behind. Limited to
    /// about 25 days.
    clock_skew: AtomicI32,
    /// The bits of [`Reasons`].
    reasons: AtomicU8,
}

impl Load {
    pub(super) fn new(now: Time) -> Self {
        Self {
            assignments: AtomicU64::new(0),
            included: AtomicU64::new(0),
            reported_at: AtomicU64::new(now.as_micros()),
            sessions: AtomicF32::default(),
            inverse_sessions: AtomicF32::default(),
            bits_per_second: AtomicF32::default(),
            bits_per_session: AtomicF32::default(),
            inverse_bits: AtomicF32::default(),
            other_utilisation: AtomicF32::default(),
            inverse_weight: AtomicF32::new(1.0),
            inverse_interval: AtomicF32::default(),
            ramp_started: AtomicU32::new(0),
            status: AtomicU8::new(Status::Running as u8),
            timed_out: AtomicU8::new(0),
            full: AtomicU8::new(0),
            flags: AtomicU8::new(0),
            recent: RecentAssignments::default(),
            accepted: AtomicU64::new(UNKNOWN),
            out_bits_per_second: AtomicU64::new(UNKNOWN),
            drain_deadline: AtomicU64::new(UNKNOWN),
            connections: AtomicU32::new(UNKNOWN_CONNECTIONS),
            assignments_reported: AtomicU32::new(0),
            clock_skew: AtomicI32::new(0),
            reasons: AtomicU8::new(0),
        }
    }

    /// Counts a client that is assigned to the edge at `now`.
    pub fn assign(&self, now: Time) {
        self.assignments.fetch_add(1, Ordering::Relaxed);
        self.recent.record(now);
    }

    /// Cancels an assignment that was counted at `counted`, and whose client never reached the edge. Must be called at
    /// most once for each [`Load::assign`].
    pub fn cancel_assignment(&self, counted: Time) {
        // Cannot drop below zero, since each assignment is cancelled at most once.
        self.assignments.fetch_sub(1, Ordering::Relaxed);
        self.recent.cancel(counted);
    }

    /// Returns the state of the edge: the reported one, or [`State::TimedOut`] once the edge has been silent for too
    /// long.
    #[must_use]
    pub fn state(&self) -> State {
        if self.timed_out.load(Ordering::Relaxed) != 0 {
            return State::TimedOut;
        }
        self.reported_state()
    }

    /// Returns the state in the last report, even if the edge has fallen silent since. Never [`State::TimedOut`].
    #[must_use]
    pub fn reported_state(&self) -> State {
        State::from_u8(self.status.load(Ordering::Relaxed))
    }

    /// Returns when the last report arrived.
    #[must_use]
    pub fn reported_at(&self) -> Time {
        Time::from_micros(self.reported_at.load(Ordering::Relaxed))
    }

    /// Returns the reporting interval as the edge states it; zero when it states none.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::try_from_secs_f32(1.0 / self.inverse_interval.get()).unwrap_or_default()
    }

    /// Returns the silence after which the last report is stale, and the edge gets no clients.
    pub(super) fn max_silence(&self) -> Duration {
        Duration::try_from_secs_f32(STALE_INTERVALS / self.inverse_interval.get()).unwrap_or(Duration::MAX)
    }

    /// Returns whether a limit is reached. An edge that was full is full until a report shows it below 95 % of all
    /// limits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed) != 0
    }

    /// Returns the number of client connections, as last reported. `None` when the edge has never reported one.
    #[must_use]
    pub fn connections(&self) -> Option<u64> {
        let connections = self.connections.load(Ordering::Relaxed);
        (connections != UNKNOWN_CONNECTIONS).then(|| connections.into())
    }

    /// Returns the outgoing bandwidth in bits per second, as last reported. `None` when the edge has never reported
    /// one.
    #[must_use]
    pub fn out_bits_per_second(&self) -> Option<u64> {
        known(self.out_bits_per_second.load(Ordering::Relaxed))
    }

    /// Returns the number of clients that this balancer has assigned to the edge since it joined.
    #[must_use]
    pub fn assignments(&self) -> u64 {
        self.assignments.load(Ordering::Relaxed)
    }

    /// Returns the number of clients that this balancer has assigned to the edge since it last reported its number of
    /// connections.
    #[must_use]
    pub fn assignments_since_report(&self) -> u64 {
        let since = (self.assignments() as u32).wrapping_sub(self.assignments_reported.load(Ordering::Relaxed));
        // Negative when an assignment from before the report was cancelled.
        u64::try_from(since.cast_signed()).unwrap_or(0)
    }

    /// Returns the reasons for which the edge accepts no clients, as last reported.
    #[must_use]
    pub fn reasons(&self) -> Reasons {
        Reasons(self.reasons.load(Ordering::Relaxed))
    }

    /// Returns the milliseconds by which the edge's clock is ahead of this balancer's, less the transit time of the
    /// report. Negative when it is behind.
    #[must_use]
    pub fn clock_skew_milliseconds(&self) -> i64 {
        self.clock_skew.load(Ordering::Relaxed).into()
    }

    /// Returns the drain deadline, by which no session should be left on the edge. `None` while it does not drain, and
    /// when it drains without a deadline.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Time> {
        known(self.drain_deadline.load(Ordering::Relaxed)).map(Time::from_micros)
    }

    /// Marks the edge as timed out, unless it is stopping. Returns whether that changed anything.
    pub(super) fn time_out(&self) -> bool {
        let changes = !matches!(self.state(), State::TimedOut | State::Stopping);
        if changes {
            self.timed_out.store(1, Ordering::Relaxed);
        }
        changes
    }

    /// Clears a timeout. Returns whether there was one.
    pub(super) fn clear_timeout(&self) -> bool {
        self.timed_out.swap(0, Ordering::Relaxed) != 0
    }

    /// Sets whether clients may be redirected to every host that the edge names.
    pub(super) fn set_allowed(&self, is_allowed: bool) {
        self.set(IS_ALLOWED, is_allowed);
    }

    /// Returns the number of own assignments that the last report is not assumed to include.
    fn unreported_assignments(&self) -> f32 {
        let all = self.assignments.load(Ordering::Relaxed).wrapping_mul(u64::from(INCLUDED_SCALE as u16));
        let unreported = all.saturating_sub(self.included.load(Ordering::Relaxed));
        // Signed numbers are converted by one instruction, and this one is far from 2^63.
        unreported.cast_signed() as f32 * (1.0 / INCLUDED_SCALE)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    fn set(&self, flag: u8, on: bool) {
        if on {
            self.flags.fetch_or(flag, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!flag, Ordering::Relaxed);
        }
    }
}

fn known(value: u64) -> Option<u64> {
    (value != UNKNOWN).then_some(value)
}
