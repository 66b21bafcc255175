//! `/proc/net/dev` and `/proc/stat` (proc(5)).

use std::time::Duration;

/// Traffic of an interface since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

/// Returns the traffic of one interface, from the text of `/proc/net/dev`.
#[must_use]
pub fn bytes_of(text: &str, interface: &str) -> Option<Bytes> {
    interfaces(text).find(|(name, _)| *name == interface).map(|(_, bytes)| bytes)
}

/// Returns the traffic of all interfaces but the loopback, from the text of `/proc/net/dev`.
#[must_use]
pub fn bytes_of_all(text: &str) -> Bytes {
    interfaces(text).filter(|(name, _)| *name != "lo").fold(Bytes::default(), |sum, (_, bytes)| Bytes {
        received: sum.received.wrapping_add(bytes.received),
        sent: sum.sent.wrapping_add(bytes.sent),
    })
}

fn interfaces(text: &str) -> impl Iterator<Item = (&str, Bytes)> {
    // Two header lines, which have no colon; then `name: received … (8 columns) sent …`.
    text.lines().filter_map(|line| {
        let (name, columns) = line.split_once(':')?;
        let mut columns = columns.split_ascii_whitespace();
        let received = columns.next()?.parse().ok()?;
        let sent = columns.nth(7)?.parse().ok()?;
        Some((name.trim(), Bytes { received, sent }))
    })
}

/// Returns the bits per second between two byte counters; `None` when the counter was reset, as with an interface that
/// was created anew, or when no time has passed.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate needs no more digits than a double has, and is not negative"
)]
pub fn rate(before: u64, after: u64, elapsed: Duration) -> Option<u64> {
    let bytes = after.checked_sub(before)?;
    (!elapsed.is_zero()).then(|| (bytes as f64 * 8.0 / elapsed.as_secs_f64()) as u64)
}

/// Processor time since the system started, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    busy: u64,
    total: u64,
}

/// Returns the processor time of all processors together, from the text of `/proc/stat`.
#[must_use]
pub fn ticks(text: &str) -> Option<Ticks> {
    // cpu user nice system idle iowait irq softirq steal guest guest_nice; user and nice include those of guests.
    let columns = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let mut ticks = columns.split_ascii_whitespace().take(8).map(str::parse::<u64>);
    let (mut busy, mut total) = (0_u64, 0_u64);
    for column in 0..8 {
        // Old kernels have fewer columns, but at least five.
        let Some(Ok(value)) = ticks.next() else {
            return (column >= 5).then_some(Ticks { busy, total });
        };
        total = total.wrapping_add(value);
        let is_idle = matches!(column, 3 | 4);
        busy = busy.wrapping_add(if is_idle { 0 } else { value });
    }
    Some(Ticks { busy, total })
}

impl Ticks {
    /// Returns the utilisation of the processors since `before`, 0 to 1; `None` when no tick has passed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "seven digits are more than enough")]
    pub fn utilisation_since(self, before: Self) -> Option<f32> {
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)?;
        // The kernel does not guarantee that idle time is monotonic.
        let busy = self.busy.saturating_sub(before.busy).min(total);
        Some(busy as f32 / total as f32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 137457176    4827    0    0    0     0          0         0   479078    3576    0    0    0     0       0          0
eth1:10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0
";

    #[test]
    fn traffic_is_read_of_one_interface_or_of_all_but_the_loopback() {
        assert_eq!(bytes_of(DEV, "eth0"), Some(Bytes { received: 137_457_176, sent: 479_078 }));
        assert_eq!(bytes_of(DEV, "lo"), Some(Bytes { received: 3193, sent: 3193 }));
        assert_eq!(bytes_of(DEV, "eth"), None);
        assert_eq!(bytes_of_all(DEV), Bytes { received: 137_457_186, sent: 479_098 });
    }

    #[test]
    fn a_rate_is_in_bits_and_unknown_after_a_reset_of_the_counter() {
        assert_eq!(rate(1000, 2000, Duration::from_millis(2000)), Some(4000));
        assert_eq!(rate(2000, 1000, Duration::from_secs(1)), None);
        assert_eq!(rate(1000, 2000, Duration::ZERO), None);
    }

    #[test]
    fn utilisation_is_measured_between_two_samples() {
        let at = |text| ticks(text).unwrap();
        let before = at("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n");
        let after = at("cpu  130 10 120 760 100 10 10 0 90 0\n");
        assert_eq!(after.utilisation_since(before), Some(80.0 / 140.0));
        assert_eq!(before.utilisation_since(before), None);
        assert_eq!(ticks("intr 1 2 3"), None);
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text in "(cpu |eth0:|lo:|[ 0-9\n]|[^a]){0,40}") {
            let _ = (bytes_of(&text, "eth0"), bytes_of_all(&text), ticks(&text));
        }
    }
}
