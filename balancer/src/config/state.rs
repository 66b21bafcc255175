//! The state folder, and the cluster's secrets in it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use weir_protocol::key::parse_key_file;
use weir_protocol::{KeyRing, Secret};

use crate::config::error::Error;

/// Where state is kept unless configured: what systemd gives (`StateDirectory=`), `/var/lib/weir` for root, and the
/// user's state folder by the XDG base directory specification for others.
#[must_use]
pub fn default_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("STATE_DIRECTORY").filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    if rustix::process::geteuid().is_root() {
        return "/var/lib/weir".into();
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| "/var/tmp".into()).join("weir")
}

/// The cluster's secrets, and where they came from.
#[derive(Debug)]
pub struct Keys {
    /// The secrets.
    pub ring: KeyRing,
    /// The file that they were read from.
    pub file: PathBuf,
    /// The secret that was made on this start, if there was none before.
    pub generated: Option<Secret>,
}

/// Reads the secrets from `configured`, or from the file `key` in `folder`, which is made if it is not there.
///
/// # Errors
/// [`Error`], which names the file, and the line where a key is malformed.
pub fn load_keys(configured: Option<&Path>, folder: &Path) -> Result<Keys, Error> {
    let file = configured.map_or_else(|| folder.join("key"), Path::to_owned);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && configured.is_none() => {
            let secret = generate_secret();
            write_key(&file, &secret).map_err(|error| {
                Error::in_file(&file, format_args!("cannot be created: {error}; choose another folder with --state"))
            })?;
            return Ok(Keys { ring: [secret.clone()].into_iter().collect(), file, generated: Some(secret) });
        }
        Err(error) => return Err(Error::unreadable(&file, &error)),
    };
    let secrets = parse_key_file(&text).map_err(|(line, error)| Error::at_line(&file, line, error))?;
    Ok(Keys { ring: secrets.into_iter().collect(), file, generated: None })
}

/// A new secret from the system's random source.
#[must_use]
pub fn generate_secret() -> Secret {
    Secret::from_random(random_bytes())
}

/// Bytes of the system's cryptographic random source.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // getrandom(2) fails only in kernels older than 3.17 without /dev/urandom; no key can be had there at all.
    #[expect(clippy::expect_used, reason = "without a random source nothing here can be done safely")]
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

/// Writes a secret that nobody but this user can read. A file that is already there is left as it is.
fn write_key(file: &Path, secret: &Secret) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut output = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(output, "{}", secret.to_base64())?;
    output.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_start_makes_a_key_for_this_user_only_and_the_second_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("deep/state");
        let first = load_keys(None, &state).unwrap();
        let secret = first.generated.unwrap();
        assert_eq!(fs::metadata(&first.file).unwrap().permissions().mode() & 0o777, 0o600);
        let second = load_keys(None, &state).unwrap();
        assert!(second.generated.is_none());
        assert_eq!(second.ring.find(secret.id()), Some(&secret));
    }

    #[test]
    fn a_configured_key_file_must_be_there_and_hold_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let error = load_keys(Some(&file), folder.path()).unwrap_err().to_string();
        assert!(error.contains("key: cannot be read: No such file"), "{error}");
        fs::write(&file, "# ours\n023D4FB4IS83\n").unwrap();
        let error = load_keys(Some(&file), folder.path()).unwrap_err().to_string();
        assert!(error.contains("key:2: the key has 9 bytes"), "{error}");
        assert!(!error.contains("023D"), "the key is not repeated: {error}");
    }
}
