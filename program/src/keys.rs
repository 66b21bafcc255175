//! Key files: reading and creating them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use weir_protocol::Secret;
use weir_protocol::key::{ParseKeyError, ParsedKey, parse_key_file};

use crate::files::{self, Access};
use crate::random;

/// Why a key file cannot be used.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A line of the file, numbered from 1, is not a key.
    Malformed(PathBuf, usize, ParseKeyError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(f, "{}: cannot be read: {error}", file.display()),
            Self::Malformed(file, line, error) => write!(f, "{}:{line}: {error}", file.display()),
        }
    }
}

impl std::error::Error for Error {}

/// Reads a key file, which holds one key per line.
///
/// # Errors
/// [`Error`], which names the file, and the line of a malformed key.
pub fn read(file: &Path) -> Result<Vec<ParsedKey>, Error> {
    let text = files::read_text(file).map_err(|error| Error::Unreadable(file.into(), error))?;
    parse_key_file(&text).map_err(|(line, error)| Error::Malformed(file.into(), line, error))
}

/// The warning for operators who use a passphrase.
pub const PASSPHRASE_WARNING: &str = "using a passphrase as key: it can be guessed offline from a single recorded report; make a key with `weir-balancer keygen`";

/// Generates a secret.
#[must_use]
pub fn generate() -> Secret {
    Secret::from_random(random::bytes())
}

/// Writes a secret, as one line, into a new file that only its owner can read, and creates the folder if it is missing.
/// The file holds the whole line or does not exist: no failure leaves an empty key file behind.
///
/// # Errors
/// Those of [`files::create`]; [`io::ErrorKind::AlreadyExists`] when the file exists, which stays as it is.
pub fn create(file: &Path, line: &str) -> io::Result<()> {
    files::create(file, format!("{line}\n").as_bytes(), Access::Owner)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_for_its_owner_only_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/key");
        let secret = generate();
        create(&file, &secret.to_base64()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&file, "other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(matches!(&read(&file).unwrap()[..], [ParsedKey::Secret(kept)] if *kept == secret));
    }

    #[test]
    fn errors_name_the_file_and_the_line_but_never_repeat_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("key: cannot be read: No such file"), "{error}");
        fs::write(&file, "# ours\nAAAA023D4FB4IS83=\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("key:2: the key is not base64") && !error.contains("023D"), "{error}");
    }
}
