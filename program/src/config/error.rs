//! Errors in configuration files: where, what, and what to do.

use std::fmt;
use std::path::Path;

use crate::keys;

/// An error in a configuration file, as one line: the file, the line number if it is known, what is wrong and what to
/// do.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// The file cannot be read.
    #[must_use]
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::in_file(path, format_args!("cannot be read: {error}"))
    }

    /// The file is not TOML, or has unknown keys or wrong values.
    #[must_use]
    pub fn in_text(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let message = explain(error.message());
        match error.span() {
            Some(span) => Self::at(path, text, span.start, message),
            None => Self::in_file(path, message),
        }
    }

    /// A section of the text is wrong.
    #[must_use]
    pub fn in_section(path: &Path, text: &str, error: &SectionError) -> Self {
        Self::at(path, text, error.offset, error)
    }

    /// The text is wrong at this byte offset.
    fn at(path: &Path, text: &str, offset: usize, message: impl fmt::Display) -> Self {
        let before = text.as_bytes().iter().take(offset);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Self(format!("{}:{line}: {message}", path.display()))
    }

    /// The file is wrong as a whole.
    #[must_use]
    pub fn in_file(path: &Path, message: impl fmt::Display) -> Self {
        Self(format!("{}: {message}", path.display()))
    }
}

impl From<keys::Error> for Error {
    fn from(error: keys::Error) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A section is wrong, or contradicts another one.
#[derive(Debug)]
pub struct SectionError {
    /// The position of the error, in bytes from the start of the text.
    pub offset: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for SectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SectionError {}

/// Rewords serde's message about an unknown or missing field, and suggests the nearest known key.
///
/// serde exposes the known keys only in the text of its message. Messages of another form are returned unchanged.
fn explain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    if let Some(missing) = message.strip_prefix("missing field ") {
        return format!("missing key {missing}");
    }
    let Some((unknown, expected)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "))
    else {
        return message.to_owned();
    };
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    // A typing error changes a letter or two. With more of them changed, a suggestion would be a guess.
    match known.iter().map(|key| (strsim::damerau_levenshtein(unknown, key), key)).min() {
        Some((distance, nearest)) if distance <= 2 => format!("unknown key `{unknown}`; did you mean `{nearest}`?"),
        _ => format!("unknown key `{unknown}`; expected one of `{}`", known.join("`, `")),
    }
}
