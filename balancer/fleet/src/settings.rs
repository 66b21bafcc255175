//! Settings of a fleet.

use std::sync::Arc;
use std::time::Duration;

use crate::redirect_limits::RedirectLimits;
use crate::rules::Rules;
use crate::zones::Zones;

/// Settings that apply to every edge of a fleet.
#[derive(Clone, Debug, Default)]
pub struct FleetSettings {
    /// The hosts and networks that clients may be redirected to.
    pub redirect_limits: RedirectLimits,
    /// How edges are selected.
    pub rules: Rules,
    /// The configured zones.
    pub zones: Arc<Zones>,
}

/// How long an edge without reports remains available, and how long it remains listed.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Time without a report after which an edge is considered down and gets no clients.
    pub timeout: Duration,
    /// Time without a report after which an edge is removed and no longer listed.
    pub forget_after: Duration,
}
