//! JSON that programs print and answer.

use serde_json::Value;

/// Parses a text.
///
/// # Panics
/// When it is not JSON.
#[track_caller]
#[must_use]
pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
