//! Accepted status codes.

use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, Error};

/// Range of status codes. HTTP (RFC 9110 section 15) and RTSP (RFC 2326 section 7.1.1) have the same classes.
const POSSIBLE: RangeInclusive<u16> = 100..=599;

/// A set of status codes, as ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes(Vec<RangeInclusive<u16>>);

impl Codes {
    /// Returns whether `code` is accepted.
    #[must_use]
    pub fn contain(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }

    /// Parses codes and ranges such as `200` and `300-399`.
    ///
    /// # Errors
    /// A message that states what is expected.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() {
            return Err("no status codes; expected one or more, such as [\"200-399\"]".to_owned());
        }
        texts.iter().map(|text| range(text)).collect::<Result<_, _>>().map(Self)
    }
}

/// Success and redirection: 200 to 399.
impl Default for Codes {
    fn default() -> Self {
        Self(vec![200..=399])
    }
}

impl<'de> Deserialize<'de> for Codes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| text.parse().ok().filter(|code| POSSIBLE.contains(code));
    match (code(first), code(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(format!("`{text}` is not a status code; expected 100 to 599, or a range such as \"200-399\"")),
    }
}
