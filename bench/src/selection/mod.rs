//! The simulator: a discrete-event model of clients, edges, reports and balancers. It drives the real selector, and
//! other algorithms for comparison, with injected time and randomness.
//!
//! | module         | contents                                                               |
//! |----------------|------------------------------------------------------------------------|
//! | [`scenario`]   | a scenario: the fleet, its clients, and an incident                    |
//! | [`catalogue`]  | the scenarios of the benchmark, and the bounds of each                 |
//! | [`visits`]     | the visits of clients: arrival, balancer, and duration                 |
//! | [`chance`]     | random numbers of the model                                            |
//! | [`algorithms`] | the compared algorithms, Weir among them                               |
//! | [`world`]      | the simulation of a scenario, event by event                           |
//! | [`servers`]    | the edges in the simulation                                            |
//! | [`queue`]      | the event queue                                                        |
//! | [`trace`]      | samples of the loads, every 100 ms, and the figures computed from them |
//! | [`replay`]     | the simulation of given visits                                         |
//! | [`table`]      | the figures of all scenarios side by side                              |
//! | [`plot`]       | the loads over time, as a picture                                      |

pub mod algorithms;
pub mod catalogue;
pub mod chance;
pub mod plot;
mod queue;
pub mod replay;
pub mod scenario;
mod servers;
pub mod table;
pub mod trace;
pub mod visits;
pub mod world;

pub use algorithms::Algorithm;
pub use replay::{Imbalance, Mean, Replay};
pub use scenario::{Incident, Scenario};
pub use table::Row;
pub use trace::Trace;
pub use visits::Visit;

/// Simulates a scenario with each algorithm, all with the same clients.
#[must_use]
pub fn simulate(scenario: &Scenario, seed: u64) -> Row {
    let run = |algorithm| world::run(scenario, scenario.crowd.visits(seed, scenario.end), algorithm, seed);
    Row { scenario: scenario.clone(), traces: Algorithm::ALL.map(run).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::scenario::{equal, seconds};

    /// A crowd that is spread over ten edges by two balancers, small enough for every test run.
    fn crowd() -> Scenario {
        let common = Scenario::default();
        let crowd = visits::Crowd { shares: equal(2), ..common.crowd };
        Scenario {
            name: "small",
            title: "1000 clients/s, 10 unequal edges, 2 balancers",
            capacities: [1000, 1000, 2000, 4000, 10_000].repeat(2),
            level: 0.1,
            crowd,
            measured_from: seconds(8),
            end: seconds(20),
            bounds: vec![(trace::Figure::Mean, 1.03), (trace::Figure::Worst, 1.08)],
            ..common
        }
        .with_flash(1000.0, seconds(5), std::time::Duration::from_secs(10))
    }

    #[test]
    fn weir_spreads_a_small_crowd_about_as_evenly_as_the_oracle() {
        let row = simulate(&crowd(), 1);
        let mean = |algorithm| row.trace(algorithm).unwrap().figure(trace::Figure::Mean);
        let table = table::table(std::slice::from_ref(&row));
        assert!(row.missed().is_empty() && !table.contains("MISSED"), "{table}");
        assert!(mean(Algorithm::Weir) < mean(Algorithm::Oracle) + 0.01, "{table}");
        assert!(mean(Algorithm::Weir) < mean(Algorithm::TwoChoices), "{table}");
        assert!(mean(Algorithm::TwoChoices) < mean(Algorithm::Original), "{table}");
        assert!(mean(Algorithm::Original) < mean(Algorithm::Raw), "{table}");
    }

    #[test]
    fn the_same_seed_gives_the_same_table_and_another_seed_a_different_one() {
        let table = |seed| table::table(&[simulate(&crowd(), seed)]);
        assert_eq!(table(1), table(1));
        assert_ne!(table(1), table(2));
    }

    #[test]
    fn a_missed_bound_is_marked() {
        let strict = Scenario { bounds: vec![(trace::Figure::Worst, 1.0)], ..crowd() };
        assert!(table::table(&[simulate(&strict, 1)]).contains("MISSED"));
    }

    #[test]
    fn clients_of_a_dead_edge_return_and_get_another_edge() {
        let dies = Scenario { incident: Some((seconds(8), Incident::Dies(9))), ..crowd() }.steady();
        let row = simulate(&dies, 1);
        let trace = row.trace(Algorithm::Weir).unwrap();
        // Until it times out, the edge gets its share of the 1000 clients that it had, and of new ones.
        assert!((100..600).contains(&trace.lost), "{}", trace.lost);
        assert_eq!(row.trace(Algorithm::Oracle).unwrap().lost, 0);
        // The mean is over the living edges, which also have the clients of the dead one.
        let mean = |at| trace.samples.iter().find(|sample| sample.at >= seconds(at)).unwrap().mean;
        let risen = mean(20) / mean(7);
        assert!((risen / (36.0 / 26.0) - 1.0).abs() < 0.03, "{risen}");
    }

    #[test]
    fn a_restart_of_a_balancer_leaves_no_client_without_an_edge_and_the_load_even() {
        let restarts = Scenario { incident: Some((seconds(8), Incident::Restarts(0))), ..crowd() };
        let row = simulate(&restarts, 1);
        assert_eq!(row.trace(Algorithm::Weir).unwrap().refused, 0);
        assert!(row.missed().is_empty(), "{}", table::table(&[row]));
    }

    #[test]
    fn given_visits_are_spread_as_evenly_as_those_of_a_scenario() {
        let crowd = visits::Crowd { rates: vec![(seconds(40), 500.0)], shares: equal(3), ..Scenario::default().crowd };
        let (ms, capacities) = (std::time::Duration::from_millis, [70, 70, 140, 280, 700].repeat(6));
        let replay = Replay {
            capacities: &capacities,
            balancers: 3,
            interval: ms(2500),
            from: ms(10_000),
            to: ms(20_000),
            mean: Mean::OverEdges,
        };
        let imbalance = replay.run(crowd.visits(1, seconds(40)), 1);
        assert!((1.0..1.3).contains(&imbalance.mean) && imbalance.worst < 1.5, "{imbalance:?}");
        assert_eq!(imbalance, replay.run(crowd.visits(1, seconds(40)), 1));
    }
}
