//! The load of one edge: what changes with every report or hand-out, and what is expected of it.

use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use weir_protocol::Report;
use weir_protocol::report::{Reasons, Status};

use crate::atomic::AtomicF32;
use crate::forecast::{Forecast, Observation};
use crate::reason::Exclusion;
use crate::recent::Recent;
use crate::rules::Rules;
use crate::state::State;
use crate::time::{Moment, Time};

/// Not known. No edge has accepted or sent this much, and no drain lasts this long.
const UNKNOWN: u64 = u64::MAX;
/// Not known. No edge has this many connections.
const UNKNOWN_CONNECTIONS: u32 = u32::MAX;

/// Sessions that an edge is taken to carry when it names no capacity. Only its proportion to others matters.
pub(super) const NOMINAL_SESSIONS: f32 = 1000.0;

/// A full edge gets clients again below this share of its limits, so that it does not go to and fro at the limit.
const NO_LONGER_FULL: f32 = 0.95;

/// An edge is fresh for so many of its intervals …
const FRESH_INTERVALS: f32 = 2.0;
/// … and stale beyond so many. In between it counts as busier by one share of itself for each interval.
const STALE_INTERVALS: f32 = 4.0;

/// What an edge has carried is believed as much as so many sessions of the average of the fleet, when it is estimated
/// what the next one will take.
const PRIOR_SESSIONS: f32 = 10.0;

/// Hand-outs that a report is taken to include are kept in so many parts.
const PARTS: f32 = 256.0;

/// No draw reaches it before this share of its ramp has passed.
const LEAST_RAMP: f32 = 0.1;

/// Ramps are counted in ticks of this many microseconds.
const RAMP_TICK: u64 = 100_000;

/// A limit on connections that the edge itself named, rather than [`NOMINAL_SESSIONS`].
const LIMITS_SESSIONS: u8 = 1;
/// The edge names hosts that clients may be sent to.
const IS_ALLOWED: u8 = 2;

/// Each is a figure on its own: no order between them is relied upon, and a choice that sees half of a report is as good
/// as one a microsecond earlier.
///
/// What a draw reads stands first and fills one cache line.
#[derive(Debug)]
#[repr(C)]
pub struct Load {
    /// Clients given this edge by this balancer; a running total.
    assignments: AtomicU64,
    /// How many of them the last report is taken to include, in [`PARTS`].
    included: AtomicU64,
    /// Microseconds of [`Time`].
    reported_at: AtomicU64,
    sessions: AtomicF32,
    /// One divided by the sessions that it can carry and by its weight; 0 when another limit says what it can carry.
    inverse_sessions: AtomicF32,
    bits_per_second: AtomicF32,
    /// What the next session is expected to take.
    bits_per_session: AtomicF32,
    /// As for sessions.
    inverse_bits: AtomicF32,
    /// The highest of the utilisations that are not in sessions or bits, divided by the weight.
    other: AtomicF32,
    inverse_weight: AtomicF32,
    /// One divided by the time between two reports, per second; 0 when the edge does not say.
    inverse_interval: AtomicF32,
    /// When it began to ramp up, in [`RAMP_TICK`]s; 0 when it does not.
    ramp_from: AtomicU32,
    status: AtomicU8,
    timed_out: AtomicU8,
    full: AtomicU8,
    flags: AtomicU8,

    // From here on: for each hand-out, each report, and people.
    recent: Recent,
    accepted: AtomicU64,
    out_bits_per_second: AtomicU64,
    /// When its drain ends, in microseconds of [`Time`]; [`UNKNOWN`] when it does not drain, or without a deadline.
    drain_deadline: AtomicU64,
    /// [`UNKNOWN_CONNECTIONS`] when it has not said.
    connections: AtomicU32,
    /// The lower half of `assignments` when the edge last said how many connections it has.
    assignments_reported: AtomicU32,
    /// By how many milliseconds the edge's clock is ahead of this balancer's; negative when it is behind. Three weeks at
    /// most.
    clock_skew: AtomicI32,
    /// Bits of [`Reasons`].
    reasons: AtomicU8,
}

/// What an edge is expected to carry with one client more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// Sessions.
    pub sessions: f32,
    /// Sessions divided by the weight.
    pub sessions_per_weight: f32,
    /// Outgoing media, bits per second, divided by the weight.
    pub bits_per_weight: f32,
    /// The highest of all utilisations, divided by the weight; higher still when the last report is old.
    pub utilisation: f32,
    /// How much of that the client adds, with those that others are about to send.
    pub(super) step: f32,
    /// Whether a limit would be passed.
    pub(super) is_full: bool,
}

impl Expected {
    /// The utilisation without the client, and those that others are about to send: for who hands out none. Where clients
    /// come without being handed out, as through the kernel, those of others are without bounds.
    #[must_use]
    pub fn present_utilisation(&self) -> f32 {
        (self.utilisation - self.step).max(0.0)
    }
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
            other: AtomicF32::default(),
            inverse_weight: AtomicF32::new(1.0),
            inverse_interval: AtomicF32::default(),
            ramp_from: AtomicU32::new(0),
            status: AtomicU8::new(Status::Running as u8),
            timed_out: AtomicU8::new(0),
            full: AtomicU8::new(0),
            flags: AtomicU8::new(0),
            recent: Recent::default(),
            accepted: AtomicU64::new(UNKNOWN),
            out_bits_per_second: AtomicU64::new(UNKNOWN),
            drain_deadline: AtomicU64::new(UNKNOWN),
            connections: AtomicU32::new(UNKNOWN_CONNECTIONS),
            assignments_reported: AtomicU32::new(0),
            clock_skew: AtomicI32::new(0),
            reasons: AtomicU8::new(0),
        }
    }

    /// Counts one client given this edge.
    pub fn assign(&self, now: Time) {
        self.assignments.fetch_add(1, Ordering::Relaxed);
        self.recent.count(now);
    }

    /// Takes back a client that was counted at `counted`, and that never got there.
    pub fn cancel_assignment(&self, counted: Time) {
        // Never below zero: each is taken back once at most.
        self.assignments.fetch_sub(1, Ordering::Relaxed);
        self.recent.cancel_assignment(counted);
    }

    /// What it is expected to carry with one client more.
    ///
    /// # Errors
    /// Why it gets none.
    pub fn expect(&self, forecast: &Forecast) -> Result<Expected, Exclusion> {
        let expected = self.expect_beyond_limits(forecast)?;
        // Stays so until a report shows that there is room again.
        if expected.is_full {
            self.full.store(1, Ordering::Relaxed);
        }
        if self.is_full() { Err(Exclusion::Full) } else { Ok(expected) }
    }

    /// The same for those who take a full edge rather than none.
    ///
    /// κ and not 1 is added for the client: this balancer gives the edge one in κ of the clients that arrive there, so
    /// that it is for the κ-th that the edge must have room. With 1, small edges would be filled beyond the others.
    pub(super) fn expect_beyond_limits(&self, forecast: &Forecast) -> Result<Expected, Exclusion> {
        let age = self.age(forecast);
        let intervals = age * self.inverse_interval.get();
        self.exclude(age, intervals, forecast)?;

        let new = forecast.arrival_ratio * (self.own_since_report() + 1.0);
        let stay = 1.0 - (forecast.session_end_rate * age).min(0.5);
        let sessions = self.sessions.get() * stay + new;
        let bits_per_session = self.bits_per_session.get();
        let bits = self.bits_per_second.get() * stay + bits_per_session * new;
        // A figure that is in neither rises with the sessions, as it has risen so far.
        let mut other = self.other.get();
        if other > 0.0 {
            other *= 1.0 + new / (self.sessions.get() + PRIOR_SESSIONS);
        }
        let (inverse_sessions, inverse_bits) = (self.inverse_sessions.get(), self.inverse_bits.get());
        let utilisation = (sessions * inverse_sessions).max(bits * inverse_bits).max(other);

        // A limit is for this client alone: those that others are about to send are not here yet.
        let others = forecast.arrival_ratio - 1.0;
        let inverse_weight = self.inverse_weight.get();
        let limits_sessions = self.has(LIMITS_SESSIONS);
        let passes_a_limit = (limits_sessions && (sessions - others) * inverse_sessions > inverse_weight)
            || (bits - bits_per_session * others) * inverse_bits > inverse_weight
            || self.other.get() >= inverse_weight;
        // Without any report for minutes own hand-outs add up, and nobody seems to leave: they say who is next, not who is
        // full.
        let is_full = passes_a_limit && !forecast.is_isolated();
        Ok(Expected {
            sessions,
            sessions_per_weight: sessions * inverse_weight,
            bits_per_weight: bits * inverse_weight,
            utilisation: utilisation * (1.0 + (intervals - FRESH_INTERVALS).max(0.0)),
            step: forecast.arrival_ratio * inverse_sessions.max(bits_per_session * inverse_bits),
            is_full,
        })
    }

    /// Whether the ramp lets a draw that is `luck` (0 to below 1) reach it at this moment.
    pub(super) fn is_reached(&self, forecast: &Forecast, ramp: Duration, luck: f32) -> bool {
        self.ramping_since().is_none_or(|since| {
            let elapsed = forecast.now - since;
            luck < (elapsed.as_secs_f32() / ramp.as_secs_f32()).max(LEAST_RAMP)
        })
    }

    /// Why it gets nobody, for its state and age alone. Looked at for each choice, so that an edge gets nobody from the
    /// moment of its goodbye or timeout on, not from the next snapshot.
    fn exclude(&self, age: f32, intervals: f32, forecast: &Forecast) -> Result<(), Exclusion> {
        let is_well = self.status.load(Ordering::Relaxed) == Status::Running as u8
            && self.timed_out.load(Ordering::Relaxed) == 0
            && self.has(IS_ALLOWED);
        if is_well && age <= forecast.timeout && intervals <= STALE_INTERVALS {
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

    /// Takes in what changes with every report. What the report does not say keeps its last value. What is learned from
    /// the difference, if the edge counts its clients.
    pub(super) fn update(
        &self,
        report: &Report<'_>,
        is_allowed: bool,
        now: Moment,
        rules: &Rules,
        fleet_bits_per_session: f32,
    ) -> Option<Observation> {
        let time = now.monotonic;
        let elapsed = time - self.reported_at();
        let observation = self.count(report, elapsed, time);

        self.reported_at.store(time.as_micros(), Ordering::Relaxed);
        let interval = report.interval.as_secs_f32();
        self.inverse_interval.set(if interval > 0.0 { 1.0 / interval } else { 0.0 });
        self.reasons.store(report.reasons.0, Ordering::Relaxed);
        let skew = report.send_time.wrapping_sub(now.unix).cast_signed();
        let limit = i64::from(i32::MAX);
        self.clock_skew.store(skew.clamp(-limit, limit) as i32, Ordering::Relaxed);
        let drain_deadline = report.drain_deadline.map_or(UNKNOWN, |left| (time + left).as_micros());
        self.drain_deadline.store(drain_deadline, Ordering::Relaxed);
        self.measure(report, rules, fleet_bits_per_session);
        self.allow(is_allowed);

        let status = State::from(report.status) as u8;
        self.status.store(status, Ordering::Relaxed);
        self.timed_out.store(0, Ordering::Relaxed);
        observation
    }

    /// Takes in how many clients there are, and came.
    fn count(&self, report: &Report<'_>, elapsed: Duration, now: Time) -> Option<Observation> {
        let most = u64::from(UNKNOWN_CONNECTIONS - 1);
        let Some(connections) = report.load.connections else {
            // An edge that never says counts what comes between its reports; one that has said before will again.
            if self.connections().is_none() {
                self.include(now);
            }
            return None;
        };
        let connections = connections.min(most) as u32;
        let own = self.include(now);
        let connections_before = self.connections.swap(connections, Ordering::Relaxed);
        self.sessions.set(connections as f32);

        let accepted = report.load.accepted.map_or(UNKNOWN, |accepted| accepted.min(UNKNOWN - 1));
        let accepted_before = self.accepted.swap(accepted, Ordering::Relaxed);
        let is_first = [accepted, accepted_before].contains(&UNKNOWN) || connections_before == UNKNOWN_CONNECTIONS;
        // The media server has started again, or others served the edge while it was not heard here.
        if is_first || accepted < accepted_before || elapsed > report.interval.mul_f32(STALE_INTERVALS) {
            return None;
        }
        let arrived = Observation::believable((accepted - accepted_before) as f64, own);
        let (connections, connections_before) = (f64::from(connections), f64::from(connections_before));
        Some(Observation {
            arrived,
            own,
            left: (arrived - (connections - connections_before)).max(0.0),
            session_seconds: (connections + connections_before) / 2.0 * elapsed.as_secs_f64(),
        })
    }

    /// Takes the hand-outs until now for included in what is reported, but for those that are on their way. How many more
    /// those are than before.
    fn include(&self, now: Time) -> f64 {
        let assignments = self.assignments.load(Ordering::Relaxed);
        let on_the_way = self.recent.on_the_way(now) * PARTS;
        let included = (assignments * u64::from(PARTS as u16)).saturating_sub(on_the_way as u64);
        let before = self.included.swap(included, Ordering::Relaxed);
        self.assignments_reported.store(assignments as u32, Ordering::Relaxed);
        (included as f64 - before as f64) / f64::from(PARTS)
    }

    /// Takes in how much there is of what can run out, and of how much.
    fn measure(&self, report: &Report<'_>, rules: &Rules, fleet_bits_per_session: f32) {
        let (load, capacity) = (&report.load, &report.capacity);
        let inverse_weight = 1.0 / weight(report);
        if let Some(rate) = load.out_bits_per_second {
            self.out_bits_per_second.store(rate.min(UNKNOWN - 1), Ordering::Relaxed);
            let (bits, sessions) = (rate as f32, self.sessions.get());
            self.bits_per_second.set(bits);
            let average = (bits + fleet_bits_per_session * PRIOR_SESSIONS) / (sessions + PRIOR_SESSIONS);
            // Without a count nothing is known of a session but what others take.
            self.bits_per_session.set(if self.connections().is_some() { average } else { fleet_bits_per_session });
        }
        // Of a limit of nothing, one client is twice as much.
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
        self.other.set(other * inverse_weight);

        self.set(LIMITS_SESSIONS, capacity.connections.is_some());
        self.settle_full();
    }

    /// Whether a report that has just come in shows the edge full, or not full any more.
    fn settle_full(&self) {
        let inverse_weight = self.inverse_weight.get();
        let sessions = self.sessions.get() + self.own_since_report();
        let sessions = if self.has(LIMITS_SESSIONS) { sessions * self.inverse_sessions.get() } else { 0.0 };
        let bits = self.bits_per_second.get() + self.bits_per_session.get() * self.own_since_report();
        let utilisation = sessions.max(bits * self.inverse_bits.get()).max(self.other.get()) / inverse_weight;
        if utilisation >= 1.0 {
            self.full.store(1, Ordering::Relaxed);
        } else if utilisation < NO_LONGER_FULL {
            self.full.store(0, Ordering::Relaxed);
        }
    }

    /// Says whether clients may be sent to the hosts that the edge names.
    pub(super) fn allow(&self, is_allowed: bool) {
        self.set(IS_ALLOWED, is_allowed);
    }

    /// Starts the ramp.
    pub(super) fn ramp_from(&self, now: Time) {
        let tick = u32::try_from(now.as_micros() / RAMP_TICK).unwrap_or(u32::MAX).max(1);
        self.ramp_from.store(tick, Ordering::Relaxed);
    }

    /// Ends a ramp that has run its time.
    pub(super) fn settle_ramp(&self, now: Time, ramp: Duration) {
        if self.ramping_since().is_some_and(|since| now - since >= ramp) {
            self.ramp_from.store(0, Ordering::Relaxed);
        }
    }

    /// Marks it as timed out, unless it has said goodbye; whether that changed anything.
    pub(super) fn time_out(&self) -> bool {
        let changes = !matches!(self.state(), State::TimedOut | State::Stopping);
        if changes {
            self.timed_out.store(1, Ordering::Relaxed);
        }
        changes
    }

    /// Takes a timeout back; whether there was one.
    pub(super) fn revive(&self) -> bool {
        self.timed_out.swap(0, Ordering::Relaxed) != 0
    }

    /// Its state, as it was last reported or as time has made it.
    #[must_use]
    pub fn state(&self) -> State {
        if self.timed_out.load(Ordering::Relaxed) != 0 {
            return State::TimedOut;
        }
        self.reported_state()
    }

    /// What its agent said last, even if it has fallen silent since: never [`State::TimedOut`].
    #[must_use]
    pub fn reported_state(&self) -> State {
        State::from_u8(self.status.load(Ordering::Relaxed))
    }

    /// When its last report came in.
    #[must_use]
    pub fn reported_at(&self) -> Time {
        Time::from_micros(self.reported_at.load(Ordering::Relaxed))
    }

    /// For how many seconds it has been silent.
    fn age(&self, forecast: &Forecast) -> f32 {
        forecast.gap.silent_micros(self.reported_at(), forecast.now).cast_signed() as f32 * 1e-6
    }

    /// How long it may be silent and still get clients, but for the timeout.
    pub(super) fn longest_silence(&self) -> Duration {
        Duration::try_from_secs_f32(STALE_INTERVALS / self.inverse_interval.get()).unwrap_or(Duration::MAX)
    }

    /// The time between two of its reports, as it says.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::try_from_secs_f32(1.0 / self.inverse_interval.get()).unwrap_or_default()
    }

    /// Whether it is at one of its limits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed) != 0
    }

    /// Whether it is new, and does not get its full share yet.
    #[must_use]
    pub fn is_ramping(&self) -> bool {
        self.ramping_since().is_some()
    }

    fn ramping_since(&self) -> Option<Time> {
        let tick = self.ramp_from.load(Ordering::Relaxed);
        (tick != 0).then(|| Time::from_micros(u64::from(tick) * RAMP_TICK))
    }

    /// Client connections, as last reported.
    #[must_use]
    pub fn connections(&self) -> Option<u64> {
        let connections = self.connections.load(Ordering::Relaxed);
        (connections != UNKNOWN_CONNECTIONS).then(|| connections.into())
    }

    /// Outgoing media in bits per second, as last reported.
    #[must_use]
    pub fn out_bits_per_second(&self) -> Option<u64> {
        known(self.out_bits_per_second.load(Ordering::Relaxed))
    }

    /// Clients given this edge by this balancer, ever.
    #[must_use]
    pub fn assignments(&self) -> u64 {
        self.assignments.load(Ordering::Relaxed)
    }

    /// Clients given this edge since it last said how many connections it has.
    #[must_use]
    pub fn assignments_since_report(&self) -> u64 {
        let since = (self.assignments() as u32).wrapping_sub(self.assignments_reported.load(Ordering::Relaxed));
        // Fewer than nothing when one was taken back that was there at the report.
        u64::try_from(since.cast_signed()).unwrap_or(0)
    }

    /// Why it takes no clients, as it was last reported.
    #[must_use]
    pub fn reasons(&self) -> Reasons {
        Reasons(self.reasons.load(Ordering::Relaxed))
    }

    /// By how many milliseconds its clock is ahead of this balancer's, the way of the report included.
    #[must_use]
    pub fn clock_skew_milliseconds(&self) -> i64 {
        self.clock_skew.load(Ordering::Relaxed).into()
    }

    /// When it is to be empty, while it drains with a deadline.
    #[must_use]
    pub fn drain_deadline(&self) -> Option<Time> {
        known(self.drain_deadline.load(Ordering::Relaxed)).map(Time::from_micros)
    }

    /// Own hand-outs that the last report is not taken to include.
    fn own_since_report(&self) -> f32 {
        let all = self.assignments.load(Ordering::Relaxed).wrapping_mul(u64::from(PARTS as u16));
        let left = all.saturating_sub(self.included.load(Ordering::Relaxed));
        // Signed numbers are converted by one instruction, and this one is far from 2^63.
        left.cast_signed() as f32 * (1.0 / PARTS)
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

/// The weight that the report asks for, within reason: from one millionth to a million, so that its products stay numbers.
pub(super) fn weight(report: &Report<'_>) -> f32 {
    report.weight.unwrap_or(1.0).clamp(1e-6, 1e6)
}

fn known(value: u64) -> Option<u64> {
    (value != UNKNOWN).then_some(value)
}
