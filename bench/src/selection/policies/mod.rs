//! The contenders: who chooses edges.

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

/// One balancer's way to choose.
pub(super) trait Policy {
    /// A report of this edge has come in.
    fn hear(&mut self, edge: usize, report: &Report<'_>, now: Time);

    /// Time passes; every 100 ms.
    fn tick(&mut self, _now: Time) {}

    /// An edge for this client, if there is one. `servers` are as they really are: for whoever can know that.
    /// `random` is any random number.
    fn pick(&mut self, visit: &Visit, servers: &[Server], random: u64, now: Time) -> Option<usize>;
}

/// A way to choose edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The least utilised edge, as last reported.
    Raw,
    /// The rule of the Wowza Load Balancer AddOn: the fewest connections, own hand-outs since the last report added.
    Original,
    /// The less utilised of two edges that are drawn, as last reported.
    TwoChoices,
    /// Weir's selector.
    Weir,
    /// The least utilised edge as it really is, with those who are on their way: nobody can know that.
    Oracle,
}

impl Contender {
    /// Every contender, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Original, Self::TwoChoices, Self::Weir, Self::Oracle];

    /// What it is called.
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

    /// A balancer of this kind that starts at `now`.
    pub(super) fn policy(self, scenario: &Scenario, now: Time) -> Box<dyn Policy> {
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

/// The place of the least of these costs, of equals any.
fn least(costs: impl Iterator<Item = Option<f64>>, random: u64) -> Option<usize> {
    let mut random = weir_fleet::random::Random::new(random);
    let mut best: Option<(usize, f64)> = None;
    let mut equals = 1;
    for (place, cost) in costs.enumerate() {
        let Some(cost) = cost else { continue };
        match best {
            Some((_, least)) if cost > least => {}
            Some((_, least)) if cost == least => {
                equals += 1;
                if random.below(equals) == 0 {
                    best = Some((place, cost));
                }
            }
            _ => {
                equals = 1;
                best = Some((place, cost));
            }
        }
    }
    best.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::selection::scenario::{Unit, seconds};

    /// Three edges with room for 1, 1 and 10 thousand, of which the first has 200 clients, the second 100, the last 500.
    fn servers() -> Vec<Server> {
        let sessions = [(1000, 200), (1000, 100), (10_000, 500)];
        let server = |(capacity, sessions)| {
            let mut server = Server::new(capacity, Unit::Sessions, 0);
            (0..sessions).for_each(|_| assert!(!server.enter(1, None)));
            server
        };
        sessions.map(server).into()
    }

    /// How many of 100 clients get which edge when all come at once.
    fn spread(contender: Contender, change: impl Fn(&mut Vec<Server>)) -> Vec<u32> {
        let mut servers = servers();
        let scenario = Scenario { capacities: vec![1000, 1000, 10_000], ..Scenario::default() };
        let mut policy = contender.policy(&scenario, Time::ORIGIN);
        for (edge, server) in servers.iter().enumerate() {
            policy.hear(edge, &server.report(Time::ORIGIN, Duration::from_millis(2500)), Time::ORIGIN);
        }
        policy.tick(Time::ORIGIN);
        change(&mut servers);
        let visit = Visit {
            at: seconds(1),
            balancer: 0,
            travel: Some(Duration::from_secs(1)),
            stay: Duration::from_secs(100),
            bits_per_second: 1,
            stream: None,
        };
        let mut given = vec![0; servers.len()];
        for random in 0..100 {
            let edge = policy.pick(&visit, &servers, random, visit.at).unwrap();
            servers[edge].on_the_way += 1;
            given[edge] += 1;
        }
        given
    }

    #[test]
    fn raw_sends_all_to_the_edge_that_was_least_utilised_at_its_report() {
        assert_eq!(spread(Contender::Raw, |servers| servers[2].on_the_way = 9000), [0, 0, 100]);
    }

    #[test]
    fn the_original_counts_its_own_hand_outs_and_knows_no_capacities() {
        assert_eq!(spread(Contender::Original, |_| ()), [0, 100, 0]);
    }

    #[test]
    fn two_choices_draw_large_edges_more_often() {
        let given = spread(Contender::TwoChoices, |_| ());
        assert!(given[2] > 85 && given[1] + given[0] > 0, "{given:?}");
    }

    #[test]
    fn weir_counts_its_own_hand_outs_against_the_capacity() {
        let given = spread(Contender::Weir, |_| ());
        assert_eq!(given, [0, 0, 100], "5 % of the largest are taken, then 6 %");
    }

    #[test]
    fn the_oracle_sees_what_no_report_says() {
        assert_eq!(spread(Contender::Oracle, |servers| servers[2].on_the_way = 9000), [0, 100, 0]);
        assert_eq!(spread(Contender::Oracle, |servers| servers[2].is_up = false), [0, 100, 0]);
    }
}
