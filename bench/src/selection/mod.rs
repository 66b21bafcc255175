//! The simulator: a discrete-event model of clients, edges, reports and balancers, that drives the real selector with
//! injected time and randomness, and others beside it.
//!
//! | module        | what it holds                                                          |
//! |---------------|------------------------------------------------------------------------|
//! | [`scenario`]  | what happens: the fleet, its clients, what goes wrong                  |
//! | [`catalogue`] | … the scenarios that are looked at, and what is to be reached in each  |
//! | [`visits`]    | who comes when, where to, and for how long                             |
//! | [`chance`]    | random numbers as the model needs them                                 |
//! | [`policies`]  | the contenders: who chooses edges, Weir among them                     |
//! | [`world`]     | what comes of it, event by event                                       |
//! | [`servers`]   | … at the edges                                                         |
//! | [`queue`]     | … in order of time                                                     |
//! | [`trace`]     | what is seen of it every 100 ms, and the figures made of that          |
//! | [`replay`]    | the same for visits that are given                                     |
//! | [`table`]     | the figures of all scenarios side by side                              |
//! | [`plot`]      | the loads over time, as a picture                                      |

pub mod catalogue;
pub mod chance;
pub mod plot;
pub mod policies;
mod queue;
pub mod replay;
pub mod scenario;
mod servers;
pub mod table;
pub mod trace;
pub mod visits;
pub mod world;

pub use policies::Contender;
pub use replay::{Imbalance, Mean, Replay};
pub use scenario::{Incident, Scenario};
pub use table::Row;
pub use trace::Trace;
pub use visits::Visit;

/// What comes of a scenario with each contender. All of them meet the same clients.
#[must_use]
pub fn simulate(scenario: &Scenario, seed: u64) -> Row {
    let run = |contender| world::run(scenario, scenario.crowd.visits(seed, scenario.end), contender, seed);
    Row { scenario: scenario.clone(), traces: Contender::ALL.map(run).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::scenario::{equal, seconds};

    /// A crowd that comes to ten edges through two balancers, small enough for every test run.
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
    fn weir_spreads_a_small_crowd_about_as_evenly_as_who_knows_everything() {
        let row = simulate(&crowd(), 1);
        let mean = |contender| row.trace(contender).unwrap().figure(trace::Figure::Mean);
        let table = table::table(std::slice::from_ref(&row));
        assert!(row.missed().is_empty() && !table.contains("MISSED"), "{table}");
        assert!(mean(Contender::Weir) < mean(Contender::Oracle) + 0.01, "{table}");
        assert!(mean(Contender::Weir) < mean(Contender::TwoChoices), "{table}");
        assert!(mean(Contender::TwoChoices) < mean(Contender::Original), "{table}");
        assert!(mean(Contender::Original) < mean(Contender::Raw), "{table}");
    }

    #[test]
    fn the_same_seed_gives_the_same_table_and_another_seed_another() {
        let table = |seed| table::table(&[simulate(&crowd(), seed)]);
        assert_eq!(table(1), table(1));
        assert_ne!(table(1), table(2));
    }

    #[test]
    fn a_bound_that_is_missed_is_marked() {
        let strict = Scenario { bounds: vec![(trace::Figure::Worst, 1.0)], ..crowd() };
        assert!(table::table(&[simulate(&strict, 1)]).contains("MISSED"));
    }

    #[test]
    fn clients_of_a_dead_edge_come_back_and_get_another() {
        let dies = Scenario { incident: Some((seconds(8), Incident::Dies(9))), ..crowd() }.steady();
        let row = simulate(&dies, 1);
        let trace = row.trace(Contender::Weir).unwrap();
        // Of the 1000 that it had, and of those who come anew, it gets its share until it times out.
        assert!((100..600).contains(&trace.lost), "{}", trace.lost);
        assert_eq!(row.trace(Contender::Oracle).unwrap().lost, 0);
        // The mean is over those that live: they carry what it carried, too.
        let mean = |at| trace.samples.iter().find(|sample| sample.at >= seconds(at)).unwrap().mean;
        let risen = mean(20) / mean(7);
        assert!((risen / (36.0 / 26.0) - 1.0).abs() < 0.03, "{risen}");
    }

    #[test]
    fn a_balancer_that_starts_again_leaves_nobody_without_an_edge_and_the_fleet_even() {
        let restarts = Scenario { incident: Some((seconds(8), Incident::Restarts(0))), ..crowd() };
        let row = simulate(&restarts, 1);
        assert_eq!(row.trace(Contender::Weir).unwrap().refused, 0);
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
