//! JSON in the output and responses of programs.

use serde_json::Value;

/// Parses a JSON text.
///
/// # Panics
/// If it is not valid JSON.
#[track_caller]
#[must_use]
pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
