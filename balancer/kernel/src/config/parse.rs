//! Values of kernel mode, as they stand in the configuration.

use serde::de::{Deserialize, Deserializer, Error};
use weir_program::config::values::within_u32;
use weir_program::units::parse_duration;

use crate::model::{Mark, MarkRange, Name, Persistence, PortRange, Timeouts};

/// Most marks that are kept for Weir: more services than any director has, and few enough to try one after the other.
const MOST_MARKS: u32 = 65_536;

fn range(first: u32, last: u32) -> Option<MarkRange> {
    MarkRange::new(Mark::new(first)?, Mark::new(last)?).filter(|_| last - first < MOST_MARKS)
}

/// Reads `"FIRST-LAST"`, or one mark.
pub(super) fn marks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MarkRange, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    number(first).zip(number(last)).and_then(|(first, last)| range(first, last)).ok_or_else(|| {
        D::Error::custom(format_args!(
            "`{text}` is no range of marks: expected FIRST-LAST, such as \"0x57000000-0x5700ffff\", without 0 and of at \
             most {MOST_MARKS} marks"
        ))
    })
}

/// A mark's number, in decimal or with `0x` in hexadecimal.
pub(crate) fn number(text: &str) -> Option<u32> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Reads a time-out of connections, in seconds.
pub(super) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    seconds(deserializer, Timeouts::LONGEST).map(Some)
}

/// Reads for how long clients stay with their servers, in seconds.
pub(super) fn persistence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    seconds(deserializer, Persistence::LONGEST).map(Some)
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D, longest: u32) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let duration = parse_duration(&text).map_err(D::Error::custom)?;
    let seconds = u32::try_from(duration.as_secs()).ok();
    let is_right = |seconds: &u32| (1..=longest).contains(seconds) && duration.subsec_nanos() == 0;
    seconds.filter(is_right).ok_or_else(|| {
        D::Error::custom(format_args!("out of range: expected whole seconds, 1s to {}h", longest / 3600))
    })
}

/// Reads ports and ranges of them, such as `"554"` and `"1024-5000"`.
pub(super) fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortRange>, D::Error> {
    let parse = |text: &String| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        port(first).zip(port(last)).and_then(|(first, last)| PortRange::new(first, last)).ok_or_else(|| {
            D::Error::custom(format_args!(
                "`{text}` is no port and no range: expected such as \"554\" or \"1024-5000\", from 1 to 65535"
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.iter().map(parse).collect()
}

/// Reads the name of a scheduler.
pub(super) fn scheduler<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    parse_scheduler(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// As [`scheduler`]; the error is a sentence that says what is expected.
pub(crate) fn parse_scheduler(text: &str) -> Result<Name, String> {
    // The kernel takes it for a service without a scheduler, which refuses every client.
    if text == "none" {
        return Err("`none` is no scheduler: take the key out for the usual one".to_owned());
    }
    text.parse().map_err(|error| format!("`{text}` is no scheduler: {error}"))
}

/// Reads a mark.
pub(super) fn mark<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    within_u32::<D, 1, { u32::MAX }>(deserializer).map(Some)
}
