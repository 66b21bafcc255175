//! The compared algorithms.

mod oracle;
mod original;
mod raw;
mod reported;
mod two_choices;
mod weir;

use weir_fleet::Time;
use weir_protocol::Report;

use crate::selection::scenario::Scenario;
use crate::selection::servers::Server;
use crate::selection::visits::Visit;

/// A balancer with one of the algorithms.
pub(super) trait Picker {
    /// Applies a report of this edge.
    fn apply(&mut self, edge: usize, report: &Report<'_>, now: Time);

    /// Applies the passage of time. Called every 100 ms.
    fn tick(&mut self, _now: Time) {}

    /// Picks an edge for this client. `servers` are the true loads, which only the oracle reads. `random` is any random
    /// number.
    fn pick(&mut self, visit: &Visit, servers: &[Server], random: u64, now: Time) -> Option<usize>;
}

/// An algorithm that chooses edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The least utilised edge, as last reported.
    Raw,
    /// The rule of the Wowza Load Balancer AddOn: the fewest connections, plus own assignments since the last report.
    Original,
    /// The less utilised of two random edges, as last reported.
    TwoChoices,
    /// Weir's selector.
    Weir,
    /// The truly least utilised edge, including clients on their way. No real balancer can know that.
    Oracle,
}

impl Algorithm {
    /// Every algorithm, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Original, Self::TwoChoices, Self::Weir, Self::Oracle];

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Original => "original",
            Self::TwoChoices => "two choices raw",
            Self::Weir => "weir",
            Self::Oracle => "oracle",
        }
    }

    /// Returns a balancer with this algorithm that starts at `now`.
    pub(super) fn picker(self, scenario: &Scenario, now: Time) -> Box<dyn Picker> {
        let edges = scenario.capacities.len();
        match self {
            Self::Raw => Box::new(raw::Raw::new(edges)),
            Self::Original => Box::new(original::Original::new(edges)),
            Self::TwoChoices => Box::new(two_choices::TwoChoices::new(edges)),
            Self::Weir => Box::new(weir::Weir::new(scenario, now)),
            Self::Oracle => Box::new(oracle::Oracle),
        }
    }
}

/// Returns the index of the lowest of these costs. Of equals each is equally likely.
fn lowest(costs: impl Iterator<Item = Option<f64>>, random: u64) -> Option<usize> {
    let mut random = weir_fleet::random::Random::new(random);
    let mut best: Option<(usize, f64)> = None;
    let mut equals = 1;
    for (index, cost) in costs.enumerate() {
        let Some(cost) = cost else { continue };
        match best {
            Some((_, lowest)) if cost > lowest => {}
            Some((_, lowest)) if cost == lowest => {
                equals += 1;
                if random.below(equals) == 0 {
                    best = Some((index, cost));
                }
            }
            _ => {
                equals = 1;
                best = Some((index, cost));
            }
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::selection::scenario::{Unit, seconds};

    /// Three edges with capacities of 1000, 1000 and 10,000 sessions, and loads of 200, 100 and 500.
    fn servers() -> Vec<Server> {
        let sessions = [(1000, 200), (1000, 100), (10_000, 500)];
        let server = |(capacity, sessions)| {
            let mut server = Server::new(capacity, Unit::Sessions, 0);
            (0..sessions).for_each(|_| assert!(!server.enter(1, None)));
            server
        };
        sessions.map(server).into()
    }

    /// Returns how many of 100 clients that arrive at once get each edge.
    fn spread(algorithm: Algorithm, change: impl Fn(&mut Vec<Server>)) -> Vec<u32> {
        let mut servers = servers();
        let scenario = Scenario { capacities: vec![1000, 1000, 10_000], ..Scenario::default() };
        let mut picker = algorithm.picker(&scenario, Time::ORIGIN);
        for (edge, server) in servers.iter().enumerate() {
            picker.apply(edge, &server.report(Time::ORIGIN, Duration::from_millis(2500)), Time::ORIGIN);
        }
        picker.tick(Time::ORIGIN);
        change(&mut servers);
        let visit = Visit {
            at: seconds(1),
            balancer: 0,
            travel: Some(Duration::from_secs(1)),
            stay: Duration::from_secs(100),
            bits_per_second: 1,
            stream: None,
        };
        let mut assigned = vec![0; servers.len()];
        for random in 0..100 {
            let edge = picker.pick(&visit, &servers, random, visit.at).unwrap();
            servers[edge].on_the_way += 1;
            assigned[edge] += 1;
        }
        assigned
    }

    #[test]
    fn raw_sends_all_clients_to_the_edge_with_the_lowest_reported_utilisation() {
        assert_eq!(spread(Algorithm::Raw, |servers| servers[2].on_the_way = 9000), [0, 0, 100]);
    }

    #[test]
    fn the_original_counts_its_own_assignments_and_ignores_capacities() {
        assert_eq!(spread(Algorithm::Original, |_| ()), [0, 100, 0]);
    }

    #[test]
    fn two_choices_draw_large_edges_more_often() {
        let assigned = spread(Algorithm::TwoChoices, |_| ());
        assert!(assigned[2] > 85 && assigned[1] + assigned[0] > 0, "{assigned:?}");
    }

    #[test]
    fn weir_counts_its_own_assignments_against_the_capacity() {
        let assigned = spread(Algorithm::Weir, |_| ());
        assert_eq!(assigned, [0, 0, 100], "the largest edge is at 5 %, and then at 6 %");
    }

    #[test]
    fn the_oracle_knows_what_no_report_has() {
        assert_eq!(spread(Algorithm::Oracle, |servers| servers[2].on_the_way = 9000), [0, 100, 0]);
        assert_eq!(spread(Algorithm::Oracle, |servers| servers[2].is_up = false), [0, 100, 0]);
    }
}
