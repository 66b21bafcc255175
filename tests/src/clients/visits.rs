//! Who comes when, and for how long: the same for the same seed. Pure.

use std::time::Duration;

/// Clients that come as a Poisson process: at a given rate, each without regard to the others.
#[derive(Clone, Copy, Debug)]
pub struct Visits {
    /// How many come in all.
    pub clients: u32,
    /// How many come in a second, on average.
    pub per_second: f64,
    /// How long they stay: so large a share of them for so long on average, exponentially. The shares add up to 1.
    pub stays: &'static [(f64, Duration)],
    /// From the redirect to the connection to the edge: at least so long, and exponentially longer by so long on average.
    pub travel: (Duration, Duration),
    /// How many balancers there are to ask, each as likely.
    pub balancers: usize,
    /// Another makes another crowd.
    pub seed: u64,
}

/// One client's visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// When it asks for an edge, since the first could have come.
    pub at: Duration,
    /// Which balancer it asks.
    pub balancer: usize,
    /// From the redirect to the connection to the edge.
    pub travel: Duration,
    /// From the edge's answer until it leaves.
    pub stay: Duration,
}

impl Visits {
    /// The visits, in order of time.
    pub fn iter(self) -> impl Iterator<Item = Visit> {
        let mut random = Random(self.seed);
        let mut at = Duration::ZERO;
        (0..self.clients).map(move |_| {
            at += random.exponential(Duration::from_secs_f64(1.0 / self.per_second));
            let (least, beyond) = self.travel;
            let balancer = (random.share() * self.balancers as f64) as usize;
            Visit { at, balancer, travel: least + random.exponential(beyond), stay: self.stay(&mut random) }
        })
    }

    fn stay(&self, random: &mut Random) -> Duration {
        let mut left = random.share();
        let chosen = self.stays.iter().find(|(share, _)| {
            left -= share;
            left < 0.0
        });
        // Shares that add up to a little less than 1 leave it to the last.
        let mean = chosen.or(self.stays.last()).map_or(Duration::ZERO, |(_, mean)| *mean);
        random.exponential(mean)
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least 0 and less than 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.share()).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISITS: Visits = Visits {
        clients: 20_000,
        per_second: 500.0,
        stays: &[(0.75, Duration::from_secs(4)), (0.25, Duration::from_secs(20))],
        travel: (Duration::from_millis(50), Duration::from_millis(200)),
        balancers: 3,
        seed: 1,
    };

    fn mean(of: impl Fn(Visit) -> f64) -> f64 {
        VISITS.iter().map(of).sum::<f64>() / f64::from(VISITS.clients)
    }

    #[test]
    fn they_come_stay_and_choose_as_often_as_told() {
        let last = VISITS.iter().last().unwrap().at.as_secs_f64();
        assert!((38.5..41.5).contains(&last), "{last}");
        let stay = mean(|visit| visit.stay.as_secs_f64());
        assert!((7.6..8.4).contains(&stay), "{stay}");
        let travel = mean(|visit| visit.travel.as_secs_f64());
        assert!((0.24..0.26).contains(&travel), "{travel}");
        assert!(VISITS.iter().all(|visit| visit.travel >= VISITS.travel.0));
        for balancer in 0..3 {
            let share = mean(|visit| f64::from(u8::from(visit.balancer == balancer)));
            assert!((0.32..0.35).contains(&share), "{balancer}: {share}");
        }
    }

    #[test]
    fn the_same_seed_brings_the_same_visits_and_another_others() {
        assert!(VISITS.iter().eq(VISITS.iter()));
        let others = Visits { seed: 2, ..VISITS };
        assert!(VISITS.iter().zip(others.iter()).all(|(one, other)| one != other));
    }
}
