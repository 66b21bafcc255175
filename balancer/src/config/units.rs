//! Values with units or ranges, as they stand in the configuration.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use weir_program::units::parse_duration;
use weir_protocol::report::MAX_NAME_LENGTH;

/// Reads a duration such as `"2.5s"`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(D::Error::custom)
}

/// Reads a duration within `LEAST..=MOST` milliseconds.
pub(crate) fn duration_within<'de, D, const LEAST: u64, const MOST: u64>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let [least, most] = [LEAST, MOST].map(Duration::from_millis);
    let duration = duration(deserializer)?;
    if (least..=most).contains(&duration) {
        return Ok(duration);
    }
    let shown = |milliseconds: u64| match milliseconds % 1000 {
        0 => format!("{}s", milliseconds / 1000),
        _ => format!("{milliseconds}ms"),
    };
    Err(D::Error::custom(format_args!("out of range: expected {} to {}", shown(LEAST), shown(MOST))))
}

/// Reads a duration, or `"off"` for none.
pub(crate) fn duration_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "off" {
        return Ok(None);
    }
    parse_duration(&text).map(Some).map_err(D::Error::custom)
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

/// Reads one of the `known` words, which stand for values. `what` says what a word is, with its article.
pub(crate) fn named<'de, D, T: Copy>(deserializer: D, what: &str, known: &[(&str, T)]) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let name = String::deserialize(deserializer)?;
    let found = known.iter().find(|(word, _)| *word == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
        D::Error::custom(format_args!("`{name}` is not {what}: expected one of {}", words.join(", ")))
    })
}

/// The word for a value that [`named`] reads; all values have one.
pub(crate) fn name_of<T: Copy + PartialEq>(value: T, known: &[(&'static str, T)]) -> &'static str {
    known.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word)
}

/// Reads a name: 1 to 64 printable ASCII characters, as the report protocol has them.
pub(crate) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    parse_name(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

/// As [`name`]; the error is a sentence that says what is expected.
pub(crate) fn parse_name(text: &str) -> Result<String, String> {
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.is_empty() || text.len() > MAX_NAME_LENGTH || !text.bytes().all(printable) {
        return Err(format!("expected 1 to {MAX_NAME_LENGTH} printable ASCII characters"));
    }
    Ok(text.to_owned())
}
