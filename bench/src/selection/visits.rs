//! The visits of clients: arrival, balancer, and duration. Reproducible from a seed.

use std::time::Duration;

use weir_fleet::Time;

use crate::selection::chance::Chance;

/// The visit of one client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// The time at which the client requests an edge.
    pub at: Time,
    /// The number of the balancer, from 0.
    pub balancer: usize,
    /// The time from the response to the connection to the edge. `None` when the client never connects.
    pub travel: Option<Duration>,
    /// The duration of the session.
    pub stay: Duration,
    /// The bandwidth of the session.
    pub bits_per_second: u64,
    /// The number of the stream, from 0.
    pub stream: Option<usize>,
}

/// Clients that arrive as a Poisson process, independently of each other.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The average arrivals per second, each until the given time, in order of time.
    pub rates: Vec<(Time, f64)>,
    /// The share of the clients of each balancer.
    pub shares: Vec<f64>,
    /// The durations of sessions: shares of the clients, and the mean of an exponential distribution for each.
    pub stays: &'static [(f64, Duration)],
    /// The time from the redirect to the connection: a minimum, and the mean of an exponential time that is added.
    pub travel: (Duration, Duration),
    /// The share of clients that never connect.
    pub absent: f64,
    /// The bandwidths of sessions, in bits per second, each with the same probability.
    pub bit_rates: &'static [u64],
    /// The number of streams. The share of the n-th is proportional to 1 ÷ n (Zipf's law).
    pub streams: usize,
}

impl Crowd {
    /// Returns the visits until `end`, in order of time.
    pub fn visits(&self, seed: u64, end: Time) -> impl Iterator<Item = Visit> {
        let mut chance = Chance::new(seed, 0);
        let mut at = Time::ORIGIN;
        let popularity = self.popularity();
        std::iter::from_fn(move || {
            at = self.next_arrival(at, &mut chance)?;
            (at < end).then(|| self.visit(at, &popularity, &mut chance))
        })
    }

    fn next_arrival(&self, mut from: Time, chance: &mut Chance) -> Option<Time> {
        for (until, rate) in &self.rates {
            if *until <= from {
                continue;
            }
            if *rate > 0.0 {
                let next = from + chance.exponential(Duration::from_secs_f64(1.0 / rate));
                if next < *until {
                    return Some(next);
                }
            }
            // The process is memoryless: it restarts with the next rate.
            from = *until;
        }
        None
    }

    fn visit(&self, at: Time, popularity: &[f64], chance: &mut Chance) -> Visit {
        let balancer = chance.one_of(self.shares.iter().copied());
        let travel = self.travel.0 + chance.exponential(self.travel.1);
        let absent = chance.happens(self.absent);
        Visit {
            at,
            balancer,
            travel: (!absent).then_some(travel),
            stay: self.stay(chance),
            bits_per_second: self.bits_per_second(chance),
            stream: popularity.last().map(|all| {
                let drawn = chance.share() * all;
                popularity.partition_point(|sum| *sum <= drawn)
            }),
        }
    }

    fn stay(&self, chance: &mut Chance) -> Duration {
        let which = chance.one_of(self.stays.iter().map(|(share, _)| *share));
        chance.exponential(self.stays[which].1)
    }

    /// Returns the remaining duration of a session that is observed at a random time: the longer a session, the more
    /// likely it is observed.
    pub(super) fn rest_of_stay(&self, chance: &mut Chance) -> Duration {
        let which = chance.one_of(self.stays.iter().map(|(share, mean)| share * mean.as_secs_f64()));
        chance.exponential(self.stays[which].1)
    }

    pub(super) fn bits_per_second(&self, chance: &mut Chance) -> u64 {
        self.bit_rates[chance.below(self.bit_rates.len())]
    }

    /// Returns the mean duration of a session.
    #[must_use]
    pub fn mean_stay(&self) -> Duration {
        self.stays.iter().map(|(share, mean)| mean.mul_f64(*share)).sum()
    }

    /// Returns the mean bandwidth of a session.
    pub(super) fn mean_bits_per_second(&self) -> f64 {
        self.bit_rates.iter().sum::<u64>() as f64 / self.bit_rates.len() as f64
    }

    /// Returns the cumulative shares of the streams.
    fn popularity(&self) -> Vec<f64> {
        let shares = (1..=self.streams).map(|rank| 1.0 / rank as f64);
        shares
            .scan(0.0, |sum, share| {
                *sum += share;
                Some(*sum)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::scenario::{Scenario, seconds};

    fn crowd() -> Crowd {
        let rates = vec![(seconds(50), 100.0), (seconds(100), 500.0)];
        Crowd { rates, shares: vec![0.75, 0.25], streams: 3, ..Scenario::default().crowd }
    }

    fn visits(seed: u64) -> Vec<Visit> {
        crowd().visits(seed, seconds(100)).collect()
    }

    #[test]
    fn visits_follow_the_configured_distributions() {
        let visits = visits(1);
        let mean = |of: &dyn Fn(&Visit) -> f64| visits.iter().map(of).sum::<f64>() / visits.len() as f64;
        let share = |of: &dyn Fn(&Visit) -> bool| mean(&|visit| f64::from(u8::from(of(visit))));
        assert!((29_000..31_000).contains(&visits.len()), "{}", visits.len());
        assert!((share(&|visit| visit.at < seconds(50)) - 1.0 / 6.0).abs() < 0.01);
        assert!((share(&|visit| visit.balancer == 0) - 0.75).abs() < 0.01);
        assert!((share(&|visit| visit.travel.is_none()) - 0.03).abs() < 0.005);
        assert!((share(&|visit| visit.stream == Some(0)) - 6.0 / 11.0).abs() < 0.01);
        let stay = mean(&|visit| visit.stay.as_secs_f64());
        assert!((stay / crowd().mean_stay().as_secs_f64() - 1.0).abs() < 0.05, "{stay}");
    }

    #[test]
    fn the_same_seed_gives_the_same_visits_and_another_seed_different_ones() {
        assert_eq!(visits(1), visits(1));
        assert!(visits(1).iter().zip(&visits(2)).all(|(one, other)| one != other));
    }
}
