//! Parsers for values of kernel mode's sections.

use serde::de::{Deserialize, Deserializer, Error};
use weir_program::config::values::within_u32;
use weir_program::units::parse_duration;

use crate::model::{Mark, MarkRange, Name, Persistence, PortRange, Timeouts};

/// Maximum number of marks in a range: more than any director has services, and few enough to try one after the other.
const MAX_MARKS: u32 = 65_536;

fn range(first: u32, last: u32) -> Option<MarkRange> {
    MarkRange::new(Mark::new(first)?, Mark::new(last)?).filter(|_| last - first < MAX_MARKS)
}

/// Reads a range of marks, `"FIRST-LAST"` or a single mark.
pub(super) fn mark_range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MarkRange, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    number(first).zip(number(last)).and_then(|(first, last)| range(first, last)).ok_or_else(|| {
        D::Error::custom(format_args!(
            "`{text}` is not a valid range of marks; expected FIRST-LAST, such as \"0x57000000-0x5700ffff\", with at most \
             {MAX_MARKS} marks and without 0"
        ))
    })
}

/// Parses the number of a mark, in decimal or hexadecimal (`0x…`).
pub(crate) fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Reads a connection timeout, in seconds.
pub(super) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    seconds(deserializer, Timeouts::MAX_SECONDS).map(Some)
}

/// Reads a persistence timeout, in seconds.
pub(super) fn persistence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    seconds(deserializer, Persistence::MAX_SECONDS).map(Some)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D, max: u32) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = parse_duration(&text).map_err(D::Error::custom)?;
    let seconds = u32::try_from(duration.as_secs()).ok();
    let is_valid = |seconds: &u32| (1..=max).contains(seconds) && duration.subsec_nanos() == 0;
    seconds
        .filter(is_valid)
        .ok_or_else(|| D::Error::custom(format_args!("out of range: expected whole seconds, 1s to {}h", max / 3600)))
}

/// Reads ports and port ranges, such as `"554"` and `"1024-5000"`.
pub(super) fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortRange>, D::Error> {
    let parse = |text: &String| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        port(first).zip(port(last)).and_then(|(first, last)| PortRange::new(first, last)).ok_or_else(|| {
            D::Error::custom(format_args!(
                "`{text}` is not a port or port range; expected 1 to 65535, such as \"554\" or \"1024-5000\""
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.iter().map(parse).collect()
}

/// Reads the name of a scheduler.
pub(super) fn scheduler<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    parse_scheduler(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Parses the name of a scheduler. The error is a message that states what is expected.
pub(crate) fn parse_scheduler(text: &str) -> Result<Name, String> {
    // To the kernel this means a service without a scheduler, which refuses every client.
    if text == "none" {
        return Err("`none` is not a scheduler; remove the key for the default".to_owned());
    }
    text.parse().map_err(|error| format!("`{text}` is not a valid scheduler name; {error}"))
}

/// Reads a mark.
pub(super) fn mark<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    within_u32::<D, 1, { u32::MAX }>(deserializer).map(Some)
}
