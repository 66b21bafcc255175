//! Key files: read, and made.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use weir_protocol::Secret;
use weir_protocol::key::{ParseKeyError, WrittenKey, parse_key_file};

use crate::random;

/// Why there are no keys.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A line of the file is no key.
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

/// Reads a key file, a key a line.
///
/// # Errors
/// [`Error`], which names the file, and the line where one is malformed.
pub fn read(file: &Path) -> Result<Vec<WrittenKey>, Error> {
    let text = fs::read_to_string(file).map_err(|error| Error::Unreadable(file.into(), error))?;
    parse_key_file(&text).map_err(|(line, error)| Error::Malformed(file.into(), line, error))
}

/// What to say to whoever uses a passphrase.
pub const PASSPHRASE_WARNING: &str = "a passphrase is used as a key: whoever records one report can try out passphrases; make a key with `weir-balancer keygen`";

/// A new secret.
#[must_use]
pub fn generate() -> Secret {
    Secret::from_random(random::bytes())
}

/// Writes a secret, as one line, into a new file that nobody but this user can read, in a folder that is made if it is not there.
///
/// # Errors
/// Those of the system; also when there is such a file already, which is left as it is.
pub fn create(file: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut output = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(output, "{line}")?;
    output.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_for_its_user_only_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/key");
        let secret = generate();
        create(&file, &secret.to_base64()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(create(&file, "other").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(matches!(&read(&file).unwrap()[..], [WrittenKey::Secret(kept)] if *kept == secret));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named_and_a_key_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("key: cannot be read: No such file"), "{error}");
        fs::write(&file, "# ours\nAAAA023D4FB4IS83=\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("key:2: the key is not base64") && !error.contains("023D"), "{error}");
    }
}
