//! What a balancer makes of what edges say of themselves.

use std::sync::Arc;

use crate::redirect_limits::RedirectLimits;
use crate::rules::Rules;
use crate::zones::Zones;

/// What holds for every edge, as it is configured.
#[derive(Clone, Debug, Default)]
pub struct FleetSettings {
    /// Where clients may be sent.
    pub limits: RedirectLimits,
    /// How edges are chosen.
    pub rules: Rules,
    /// Which zones there are.
    pub zones: Arc<Zones>,
}
