//! Weights, of which load can make less.

use super::Service;
use crate::model::Destination;

/// What `weight` is by default: load makes weights less, and of 1 there is nothing to make less of.
const USUAL: u32 = 100;

/// Makes weights a hundred times what they were, or as heavy as they may be; in proportion, in any case.
pub(super) fn fit(service: &mut Service) {
    let heaviest = service.servers.iter().map(|server| server.weight).max().unwrap_or_default();
    if heaviest > Destination::HEAVIEST {
        let why = format!("{heaviest} is more than {}: all weights are less, in proportion", Destination::HEAVIEST);
        service.note(service.line, "weight", why);
    }
    for server in &mut service.servers {
        server.weight = fitted(server.weight, heaviest);
    }
}

fn fitted(weight: u32, heaviest: u32) -> u32 {
    if heaviest <= Destination::HEAVIEST / USUAL {
        return weight.saturating_mul(USUAL);
    }
    if heaviest <= Destination::HEAVIEST {
        return weight;
    }
    let less = u64::from(weight) * u64::from(Destination::HEAVIEST) / u64::from(heaviest);
    u32::try_from(less).unwrap_or(Destination::HEAVIEST).max(1)
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
            assert_eq!(weights.map(|weight| fitted(weight, heaviest)), expected, "{weights:?}");
        }
    }
}
