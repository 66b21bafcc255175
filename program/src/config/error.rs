//! What is wrong with a configuration: where, what, and what to do.

use std::fmt;
use std::path::Path;

use crate::keys;

/// One line that names the file, the line in it where there is one, and what is wrong there.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// The file cannot be read.
    #[must_use]
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::in_file(path, format_args!("cannot be read: {error}"))
    }

    /// The text of the file is no configuration.
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

    /// What stands at this byte of the text is wrong.
    fn at(path: &Path, text: &str, offset: usize, message: impl fmt::Display) -> Self {
        let before = text.as_bytes().iter().take(offset);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Self(format!("{}:{line}: {message}", path.display()))
    }

    /// Something else is wrong with the file.
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

/// A section that is wrong by itself, or contradicts another.
#[derive(Debug)]
pub struct SectionError {
    /// Where what is wrong stands: bytes from the beginning of the text.
    pub offset: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for SectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SectionError {}

/// Makes serde's sentence about an unknown or missing field one about a key, and says which key was probably meant.
///
/// serde hands out the known keys in this sentence only; a sentence of another form is passed on as it is.
fn explain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    if let Some(missing) = message.strip_prefix("missing field ") {
        return format!("the key {missing} is missing: add it");
    }
    let Some((unknown, expected)) =
        message.strip_prefix("unknown field `").and_then(|rest| rest.split_once("`, expected "))
    else {
        return message.to_owned();
    };
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    // A slip of the finger changes a letter or two; with more changed, any suggestion would be a guess.
    match known.iter().map(|key| (strsim::damerau_levenshtein(unknown, key), key)).min() {
        Some((distance, nearest)) if distance <= 2 => format!("unknown key `{unknown}`; did you mean `{nearest}`?"),
        _ => format!("unknown key `{unknown}`; known here are `{}`", known.join("`, `")),
    }
}
