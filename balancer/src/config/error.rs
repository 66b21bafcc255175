//! What is wrong with a configuration: where, what, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// One line that names the file, the line in it where there is one, and what is wrong there.
#[derive(Debug)]
pub struct Error {
    path: PathBuf,
    line: Option<usize>,
    message: String,
}

impl Error {
    /// The file cannot be read.
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self { path: path.into(), line: None, message: format!("cannot be read: {error}") }
    }

    /// The text of the file is no configuration.
    pub(super) fn in_text(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        Self { path: path.into(), line, message: explain(error.message()) }
    }

    /// What one line of the file holds is wrong.
    pub(crate) fn at_line(path: &Path, line: usize, message: impl fmt::Display) -> Self {
        Self { path: path.into(), line: Some(line), message: message.to_string() }
    }

    /// Something else is wrong with the file.
    pub(crate) fn in_file(path: &Path, message: impl fmt::Display) -> Self {
        Self { path: path.into(), line: None, message: message.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for Error {}

/// Makes serde's sentence about an unknown field one about a key, and says which key was probably meant.
///
/// serde hands out the known keys in this sentence only; a sentence of another form is passed on as it is.
fn explain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
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
