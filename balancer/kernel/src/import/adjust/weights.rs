//! Scales weights, so that they can be reduced by load.

use super::Service;
use crate::model::Destination;

/// Default of `weight`. Load reduces weights, and 1 cannot be reduced.
const DEFAULT: u32 = 100;

/// Multiplies weights by 100, as far as the maximum permits, or reduces them to the maximum. Keeps their proportions.
pub(super) fn scale(service: &mut Service) {
    let heaviest = service.servers.iter().map(|server| server.weight).max().unwrap_or_default();
    if heaviest > Destination::MAX_WEIGHT {
        let reason = format!("{heaviest} exceeds {}; all weights are reduced in proportion", Destination::MAX_WEIGHT);
        service.note(service.line, "weight", reason);
    }
    for server in &mut service.servers {
        server.weight = scaled(server.weight, heaviest);
    }
}

fn scaled(weight: u32, heaviest: u32) -> u32 {
    if heaviest <= Destination::MAX_WEIGHT / DEFAULT {
        return weight.saturating_mul(DEFAULT);
    }
    if heaviest <= Destination::MAX_WEIGHT {
        return weight;
    }
    let reduced = u64::from(weight) * u64::from(Destination::MAX_WEIGHT) / u64::from(heaviest);
    u32::try_from(reduced).unwrap_or(Destination::MAX_WEIGHT).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_their_proportions_and_stay_in_range() {
        for (weights, expected) in [
            ([1, 3], [100, 300]),
            ([655, 1], [65_500, 100]),
            ([656, 328], [656, 328]),
            ([65_535, 1], [65_535, 1]),
            ([131_070, 65_535], [65_535, 32_767]),
            ([u32::MAX, 1], [65_535, 1]),
        ] {
            let heaviest = weights[0];
            assert_eq!(weights.map(|weight| scaled(weight, heaviest)), expected, "{weights:?}");
        }
    }
}
