//! The arrival ratio that the balancers of a fleet estimate.

use proptest::prelude::*;

use super::*;

/// One round of reports, in milliseconds.
const ROUND: u64 = 2500;

/// The arrival ratio at each of several balancers that assign these shares of the traffic, after `rounds` rounds.
/// Of ten clients one never arrives, and the others do after 200 ms; for each ten, `direct` more come without a
/// balancer.
fn arrival_ratios(shares: &[u64], direct: u64, rounds: u64) -> Vec<f64> {
    const EDGES: u8 = 5;
    let mut fleets: Vec<Fleet> = shares.iter().map(|_| fleet()).collect();
    let mut accepted = 0;
    for round in 0..=rounds {
        let start = round * ROUND;
        let mut report = report();
        // No session ends.
        report.load.connections = Some(accepted);
        report.load.accepted = Some(accepted);
        for fleet in &mut fleets {
            for edge in 0..EDGES {
                fleet.apply(id(edge), &report, SOURCE, at(start).into());
            }
            fleet.sweep(at(start), |_, _| {});
        }
        // The same to every edge, in the middle of the round, so that no client is on its way when the round ends.
        for (fleet, share) in fleets.iter().zip(shares) {
            for edge in fleet.edges.values() {
                (0..share * 10).for_each(|_| edge.load.assign(at(start + ROUND / 5)));
            }
        }
        let assigned: u64 = shares.iter().sum::<u64>() * 10;
        accepted += assigned * 9 / 10 + assigned * direct / 10;
    }
    fleets.iter().map(|fleet| fleet.estimator.arrival_ratio()).collect()
}

#[test]
fn the_arrival_ratio_converges_to_the_number_of_balancers() {
    for balancers in [1, 3, 10] {
        for arrival_ratio in arrival_ratios(&vec![10; balancers], 0, 4) {
            let expected = balancers as f64 * 0.9;
            assert!((arrival_ratio / expected - 1.0).abs() < 0.02, "{balancers}: {arrival_ratio}");
        }
    }
}

#[test]
fn the_arrival_ratio_is_one_until_enough_clients_were_assigned() {
    assert_eq!(arrival_ratios(&[10, 10, 10], 0, 0), [1.0; 3]);
}

#[test]
fn the_arrival_ratio_stays_within_its_range_when_almost_all_clients_bypass_the_balancer() {
    assert_eq!(arrival_ratios(&[10], 500, 4), [16.0]);
}

proptest! {
    #[test]
    fn the_arrival_ratio_is_all_arrivals_over_own_assignments_for_any_shares(
        shares in prop::collection::vec(5_u64..50, 1..6), direct in 0_u64..10,
    ) {
        let all = shares.iter().sum::<u64>() as f64 * (0.9 + direct as f64 / 10.0);
        for (arrival_ratio, share) in arrival_ratios(&shares, direct, 4).into_iter().zip(&shares) {
            let expected = (all / *share as f64).clamp(0.2, 16.0);
            prop_assert!((arrival_ratio / expected - 1.0).abs() < 0.02, "{} instead of {}", arrival_ratio, expected);
        }
    }
}
