//! The cluster's secrets: read from the configured file, or made on the first start.

use std::path::{Path, PathBuf};

use weir_program::keys;
use weir_protocol::{KeyRing, Secret};

use crate::config::error::Error;

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

/// Reads the secrets from `configured`, or from the file `key` in the folder `state`, which is made if it is not there.
///
/// # Errors
/// [`Error`], which names the file, and the line where a key is malformed.
pub fn load(configured: Option<&Path>, state: &Path) -> Result<Keys, Error> {
    let file = configured.map_or_else(|| state.join("key"), Path::to_owned);
    if configured.is_none() && !file.exists() {
        let secret = keys::generate();
        keys::create(&file, &secret).map_err(|error| {
            Error::in_file(&file, format_args!("cannot be created: {error}; choose another folder with --state"))
        })?;
        return Ok(Keys { ring: [secret.clone()].into_iter().collect(), file, generated: Some(secret) });
    }
    let secrets = keys::read(&file).map_err(Error::from)?;
    Ok(Keys { ring: secrets.into_iter().collect(), file, generated: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_key_and_the_second_reads_it() {
        let state = tempfile::tempdir().unwrap();
        let first = load(None, state.path()).unwrap();
        let secret = first.generated.unwrap();
        let second = load(None, state.path()).unwrap();
        assert!(second.generated.is_none());
        assert_eq!(second.ring.find(secret.id()), Some(&secret));
    }

    #[test]
    fn a_configured_key_file_is_never_made() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("other");
        assert!(load(Some(&file), state.path()).is_err());
        assert!(!file.exists());
    }
}
