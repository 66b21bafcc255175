//! Which answers are good.

use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, Error};

/// The codes that an answer may have. HTTP (RFC 9110 section 15) and RTSP (RFC 2326 section 7.1.1) have the same classes.
const POSSIBLE: RangeInclusive<u16> = 100..=599;

/// Status codes, in ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codes(Vec<RangeInclusive<u16>>);

impl Codes {
    /// Whether an answer with this code is good.
    #[must_use]
    pub fn contain(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }

    /// Reads texts such as `200` and `300-399`.
    ///
    /// # Errors
    /// A sentence that says what is expected.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() {
            return Err("no code would be good: expected one or more, such as [\"200-399\"]".to_owned());
        }
        texts.iter().map(|text| range(text)).collect::<Result<_, _>>().map(Self)
    }
}

/// Success, and being sent elsewhere.
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
        _ => Err(format!("`{text}` is no code: expected one from 100 to 599, or a range, such as \"200-399\"")),
    }
}
