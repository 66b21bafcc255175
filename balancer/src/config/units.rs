//! Values with units or ranges, as they stand in the configuration.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

/// Reads a duration such as `"2.5s"`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| not_a_duration(&text))
}

/// Reads a duration, or `"off"` for none.
pub(crate) fn duration_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "off" {
        return Ok(None);
    }
    parse_duration(&text).map(Some).ok_or_else(|| not_a_duration(&text))
}

/// Reads a number within `LEAST..=MOST`.
pub(crate) fn within<'de, D, const LEAST: usize, const MOST: usize>(deserializer: D) -> Result<usize, D::Error>
where
    D: Deserializer<'de>,
{
    let value = usize::deserialize(deserializer)?;
    if (LEAST..=MOST).contains(&value) {
        return Ok(value);
    }
    Err(D::Error::custom(format_args!("out of range: expected {LEAST} to {MOST}")))
}

fn not_a_duration<E: Error>(text: &str) -> E {
    E::custom(format_args!(
        "`{text}` is not a duration: expected a number and a unit, such as \"2.5s\" (units: ms, s, m, h)"
    ))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    Duration::try_from_secs_f64(number * seconds_per_unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("2.5s"), Some(Duration::from_millis(2500)));
        assert_eq!(parse_duration("250 ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(parse_duration("1h"), Some(Duration::from_secs(3600)));
        for text in ["", "5", "s", "-1s", "1 day", "1e400s", "NaNs", "infs"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
