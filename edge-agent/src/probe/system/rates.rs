//! Rates and CPU utilisation between two samples of counters. Pure.

use std::time::Duration;

use super::proc::{self, Bytes, Ticks};
use crate::probe::Reading;

/// Minimum time that rates are computed over. The sample for a report may come milliseconds after another one: a burst
/// of packets in between would be a rate of gigabits, and no clock tick has passed.
const MIN_SPAN: Duration = Duration::from_millis(250);

/// The counters at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Monotonic time, from any origin.
    pub(super) at: Duration,
    /// Traffic of the interfaces; `None` when the configured interface no longer exists.
    pub(super) bytes: Option<Bytes>,
    pub(super) ticks: Ticks,
}

/// The current rates.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// The sample that the next rates are computed against.
    before: Option<Sample>,
    /// The last rates.
    reading: Reading,
}

impl Rates {
    /// Returns the rates and the CPU utilisation since the previous sample, or the previous ones when that sample is
    /// younger than [`MIN_SPAN`]. Unknown at first.
    pub(super) fn observe(&mut self, sample: Sample) -> Reading {
        let elapsed = self.before.map(|before| sample.at.saturating_sub(before.at));
        if elapsed.is_none_or(|elapsed| elapsed >= MIN_SPAN)
            && let (Some(before), Some(elapsed)) = (self.before.replace(sample), elapsed)
        {
            let rate = |of: fn(&Bytes) -> u64| proc::rate(of(&before.bytes?), of(&sample.bytes?), elapsed);
            self.reading = Reading {
                in_bits_per_second: rate(|bytes| bytes.received),
                out_bits_per_second: rate(|bytes| bytes.sent),
                cpu: sample.ticks.utilisation_since(before.ticks),
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
    fn rates_are_known_from_the_second_sample_on() {
        let mut current = Rates::default();
        assert_eq!(current.observe(sample(1000, Some(0), 0)), Reading::default());
        assert_eq!(current.observe(sample(1500, Some(500), 10)), rates(8000, 0.2));
    }

    #[test]
    fn a_sample_too_soon_after_another_changes_no_rate_and_its_traffic_counts_at_the_next() {
        let mut current = Rates::default();
        current.observe(sample(1000, Some(0), 0));
        assert_eq!(current.observe(sample(1020, Some(500), 2)), Reading::default());
        assert_eq!(current.observe(sample(1500, Some(500), 10)), rates(8000, 0.2));
        assert_eq!(current.observe(sample(1520, Some(1000), 12)), rates(8000, 0.2));
        assert_eq!(current.observe(sample(2020, Some(1000), 36)), rates(500 * 8 * 1000 / 520, 0.5));
    }

    #[test]
    fn a_removed_interface_leaves_its_rates_unknown_but_not_the_cpu_utilisation() {
        let mut current = Rates::default();
        current.observe(sample(1000, Some(0), 0));
        let reading = current.observe(sample(1500, None, 10));
        assert_eq!(reading, Reading { cpu: Some(0.2), ..Reading::default() });
    }
}
