//! Rates and shares between two looks at counts that only rise. Pure.

use std::time::Duration;

use super::proc::{self, Bytes, Ticks};
use crate::probe::Reading;

/// The least time that rates are computed over. A look for a report may come milliseconds after another: a burst of
/// packets in between would be a rate of gigabits, and the processors' clock has not ticked.
const LEAST_SPAN: Duration = Duration::from_millis(250);

/// What was counted at a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Whatever monotonic duration the caller counts in.
    pub(super) at: Duration,
    /// Those of the interfaces; unknown when the one asked for has gone.
    pub(super) bytes: Option<Bytes>,
    pub(super) ticks: Ticks,
}

/// What is known of the rates.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// What the next ones are computed against.
    before: Option<Sample>,
    /// The last ones.
    reading: Reading,
}

impl Rates {
    /// The rates and the share after a look: those since the one before, or the last ones when that was a moment ago.
    /// Unknown at first.
    pub(super) fn observe(&mut self, sample: Sample) -> Reading {
        let elapsed = self.before.map(|before| sample.at.saturating_sub(before.at));
        if elapsed.is_none_or(|elapsed| elapsed >= LEAST_SPAN)
            && let (Some(before), Some(elapsed)) = (self.before.replace(sample), elapsed)
        {
            let rate = |of: fn(&Bytes) -> u64| proc::rate(of(&before.bytes?), of(&sample.bytes?), elapsed);
            self.reading = Reading {
                in_bits_per_second: rate(|bytes| bytes.received),
                out_bits_per_second: rate(|bytes| bytes.sent),
                cpu: sample.ticks.share_since(before.ticks),
                ..Reading::default()
            };
        }
        self.reading.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(milliseconds: u64, bytes: Option<u64>, busy: u64) -> Sample {
        let text = format!("cpu {busy} 0 0 {} 0 0 0 0\n", milliseconds / 10 - busy);
        Sample {
            at: Duration::from_millis(milliseconds),
            bytes: bytes.map(|bytes| Bytes { received: bytes, sent: 2 * bytes }),
            ticks: proc::ticks(&text).unwrap(),
        }
    }

    fn rates(bits_per_second: u64, cpu: f32) -> Reading {
        Reading {
            in_bits_per_second: Some(bits_per_second),
            out_bits_per_second: Some(2 * bits_per_second),
            cpu: Some(cpu),
            ..Reading::default()
        }
    }

    #[test]
    fn rates_are_unknown_at_first_and_known_then() {
        let mut known = Rates::default();
        assert_eq!(known.observe(sample(1000, Some(0), 0)), Reading::default());
        assert_eq!(known.observe(sample(1500, Some(500), 10)), rates(8000, 0.2));
    }

    #[test]
    fn a_look_a_moment_after_another_changes_no_rate_and_what_it_saw_counts_at_the_next() {
        let mut known = Rates::default();
        known.observe(sample(1000, Some(0), 0));
        assert_eq!(known.observe(sample(1020, Some(500), 2)), Reading::default());
        assert_eq!(known.observe(sample(1500, Some(500), 10)), rates(8000, 0.2));
        assert_eq!(known.observe(sample(1520, Some(1000), 12)), rates(8000, 0.2));
        assert_eq!(known.observe(sample(2020, Some(1000), 36)), rates(500 * 8 * 1000 / 520, 0.5));
    }

    #[test]
    fn an_interface_that_has_gone_leaves_its_rates_unknown_but_not_the_processors_share() {
        let mut known = Rates::default();
        known.observe(sample(1000, Some(0), 0));
        let reading = known.observe(sample(1500, None, 10));
        assert_eq!(reading, Reading { cpu: Some(0.2), ..Reading::default() });
    }
}
