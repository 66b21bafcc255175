//! Who comes when, asks which balancer, and stays for how long: the same for the same seed.

use std::time::Duration;

use weir_fleet::Time;

use crate::selection::chance::Chance;

/// One client's visit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visit {
    /// When it asks for an edge.
    pub at: Time,
    /// Which balancer it asks, from 0.
    pub balancer: usize,
    /// From the answer to the connection to the edge; nothing when it never connects.
    pub travel: Option<Duration>,
    /// From the connection until it leaves.
    pub stay: Duration,
    /// What it takes of the edge's bandwidth.
    pub bits_per_second: u64,
    /// Which stream it wants, from 0.
    pub stream: Option<usize>,
}

/// Clients that come as a Poisson process, each without regard to the others.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// How many come in a second, on average, until when: in order of time.
    pub rates: Vec<(Time, f64)>,
    /// Which share of them asks which balancer.
    pub shares: Vec<f64>,
    /// How long they stay: so large a share of them for so long on average, exponentially.
    pub stays: &'static [(f64, Duration)],
    /// From the redirect to the connection: at least so long, and exponentially longer by so long on average.
    pub travel: (Duration, Duration),
    /// The share that never connects.
    pub absent: f64,
    /// Bits per second of a session; each as likely.
    pub bit_rates: &'static [u64],
    /// Streams to choose from; the n-th has a share in proportion to 1 ÷ n (Zipf's law).
    pub streams: usize,
}

impl Crowd {
    /// The visits until `end`, in order of time.
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
            // The process has no memory: it begins anew with the next rate.
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

    /// What is left of the stay of somebody who is met at any time: the longer a stay, the likelier it is met.
    pub(super) fn rest_of_stay(&self, chance: &mut Chance) -> Duration {
        let which = chance.one_of(self.stays.iter().map(|(share, mean)| share * mean.as_secs_f64()));
        chance.exponential(self.stays[which].1)
    }

    pub(super) fn bits_per_second(&self, chance: &mut Chance) -> u64 {
        self.bit_rates[chance.below(self.bit_rates.len())]
    }

    /// How long they stay on average.
    #[must_use]
    pub fn mean_stay(&self) -> Duration {
        self.stays.iter().map(|(share, mean)| mean.mul_f64(*share)).sum()
    }

    /// What the sessions take on average.
    pub(super) fn mean_bits_per_second(&self) -> f64 {
        self.bit_rates.iter().sum::<u64>() as f64 / self.bit_rates.len() as f64
    }

    /// Running sums of the shares of the streams.
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
    fn they_come_choose_and_stay_as_often_as_told() {
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
    fn the_same_seed_brings_the_same_visits_and_another_others() {
        assert_eq!(visits(1), visits(1));
        assert!(visits(1).iter().zip(&visits(2)).all(|(one, other)| one != other));
    }
}
