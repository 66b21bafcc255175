//! `/proc/net/dev` and `/proc/stat` (proc(5)).

use std::time::Duration;

/// Bytes that an interface has carried since it came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// The bytes of one interface in the text of `/proc/net/dev`.
#[must_use]
pub fn bytes_of(text: &str, interface: &str) -> Option<Bytes> {
    interfaces(text).find(|(name, _)| *name == interface).map(|(_, bytes)| bytes)
}

/// The bytes of all interfaces but the loopback.
#[must_use]
pub fn bytes_of_all(text: &str) -> Bytes {
    interfaces(text).filter(|(name, _)| *name != "lo").fold(Bytes::default(), |sum, (_, bytes)| Bytes {
        received: sum.received.wrapping_add(bytes.received),
        sent: sum.sent.wrapping_add(bytes.sent),
    })
}

fn interfaces(text: &str) -> impl Iterator<Item = (&str, Bytes)> {
    // Two lines of headings, which have no colon; then `name: received … (8 columns) sent …`.
    text.lines().filter_map(|line| {
        let (name, columns) = line.split_once(':')?;
        let mut columns = columns.split_ascii_whitespace();
        let received = columns.next()?.parse().ok()?;
        let sent = columns.nth(7)?.parse().ok()?;
        Some((name.trim(), Bytes { received, sent }))
    })
}

/// Bits per second between two counts of bytes; unknown when the count went back, as when an interface came up anew, or
/// when no time has passed.
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

/// How long the processors have done what, in clock ticks since the system started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    busy: u64,
    total: u64,
}

/// The ticks of all processors together in the text of `/proc/stat`.
#[must_use]
pub fn ticks(text: &str) -> Option<Ticks> {
    // cpu user nice system idle iowait irq softirq steal guest guest_nice; the guests' are in user and nice already.
    let columns = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let mut ticks = columns.split_ascii_whitespace().take(8).map(str::parse::<u64>);
    let (mut busy, mut total) = (0_u64, 0_u64);
    for column in 0..8 {
        // Old kernels have fewer columns; five have been there for long.
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
    /// The share of time since `before` in which the processors were busy, 0 to 1; unknown when no tick has passed.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of seven digits is more than enough")]
    pub fn share_since(self, before: Self) -> Option<f32> {
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)?;
        // The kernel does not promise that idle time never goes back a little.
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
    fn bytes_are_read_by_interface_or_of_all_but_the_loopback() {
        assert_eq!(bytes_of(DEV, "eth0"), Some(Bytes { received: 137_457_176, sent: 479_078 }));
        assert_eq!(bytes_of(DEV, "lo"), Some(Bytes { received: 3193, sent: 3193 }));
        assert_eq!(bytes_of(DEV, "eth"), None);
        assert_eq!(bytes_of_all(DEV), Bytes { received: 137_457_186, sent: 479_098 });
    }

    #[test]
    fn a_rate_is_in_bits_and_unknown_when_the_count_went_back() {
        assert_eq!(rate(1000, 2000, Duration::from_millis(2000)), Some(4000));
        assert_eq!(rate(2000, 1000, Duration::from_secs(1)), None);
        assert_eq!(rate(1000, 2000, Duration::ZERO), None);
    }

    #[test]
    fn the_share_of_busy_time_is_that_between_two_samples() {
        let at = |text| ticks(text).unwrap();
        let before = at("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n");
        let after = at("cpu  130 10 120 760 100 10 10 0 90 0\n");
        assert_eq!(after.share_since(before), Some(80.0 / 140.0));
        assert_eq!(before.share_since(before), None);
        assert_eq!(ticks("intr 1 2 3"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "(cpu |eth0:|lo:|[ 0-9\n]|[^a]){0,40}") {
            let _ = (bytes_of(&text, "eth0"), bytes_of_all(&text), ticks(&text));
        }
    }
}
