//! The keys of the cluster and the operators' token: read from the configured files, or created at the first start.

use std::path::{Path, PathBuf};

use tracing::warn;
use weir_admin::Token;
use weir_program::config::Error;
use weir_program::{files, keys};
use weir_protocol::key::ParsedKey;
use weir_protocol::{KeyRing, Secret};

/// The keys of the cluster.
#[derive(Debug)]
pub struct Keys {
    /// The keys.
    pub ring: KeyRing,
    /// The file that holds them.
    pub file: PathBuf,
    /// The key that was created at this start, if the file did not exist.
    pub generated: Option<Secret>,
}

/// Reads the keys from the `configured` file, or from `key` in the folder `state`. The latter is created with a random
/// key if it does not exist.
///
/// # Errors
/// [`Error`], which names the file, and the line where a key is malformed.
pub fn load(configured: Option<&Path>, state: &Path) -> Result<Keys, Error> {
    let file = configured.map_or_else(|| state.join("key"), Path::to_owned);
    if configured.is_none() && !file.exists() {
        let secret = keys::generate();
        create(&file, &secret.to_base64())?;
        return Ok(Keys { ring: [secret.clone()].into_iter().collect(), file, generated: Some(secret) });
    }
    let ring = read_ring(&file)?;
    Ok(Keys { ring, file, generated: None })
}

/// Reads the keys of a key file.
///
/// # Errors
/// As [`load`].
pub fn read_ring(file: &Path) -> Result<KeyRing, Error> {
    let keys = keys::read(file)?;
    if keys.iter().any(|key| matches!(key, ParsedKey::Passphrase(_))) {
        warn!(file = %file.display(), "{}", keys::PASSPHRASE_WARNING);
    }
    let secrets = keys.into_iter().map(|key| match key {
        ParsedKey::Secret(secret) | ParsedKey::Passphrase(secret) => Ok(secret),
        ParsedKey::Edge(edge, _) => Err(Error::in_file(
            file,
            format_args!("holds the key of edge {edge}; a balancer needs the key of the cluster"),
        )),
    });
    secrets.collect()
}

/// Reads the operators' token from the `configured` file, or from `token` in the folder `state`. The latter is created
/// with a random token if it does not exist.
///
/// # Errors
/// [`Error`], which names the file.
pub fn load_token(configured: Option<&Path>, state: &Path) -> Result<Token, Error> {
    let file = configured.map_or_else(|| state.join("token"), Path::to_owned);
    if configured.is_none() && !file.exists() {
        create(&file, &keys::generate().to_base64())?;
    }
    let text = files::read_text(&file).map_err(|error| Error::unreadable(&file, &error))?;
    Token::parse(&text).ok_or_else(|| {
        let least = Token::MIN_LENGTH;
        Error::in_file(
            &file,
            format_args!("holds no token; expected a line of at least {least} characters without spaces"),
        )
    })
}

fn create(file: &Path, line: &str) -> Result<(), Error> {
    keys::create(file, line).map_err(|error| {
        Error::in_file(file, format_args!("cannot be created: {error}; choose another folder with --state"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_start_creates_a_key_and_the_second_reads_it() {
        let state = tempfile::tempdir().unwrap();
        let first = load(None, state.path()).unwrap();
        let secret = first.generated.unwrap();
        let second = load(None, state.path()).unwrap();
        assert!(second.generated.is_none());
        assert_eq!(second.ring.find(secret.id()), Some(&secret));
    }

    #[test]
    fn a_configured_file_is_never_created() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("other");
        assert!(load(Some(&file), state.path()).is_err() && load_token(Some(&file), state.path()).is_err());
        assert!(!file.exists());
    }

    #[test]
    fn a_balancer_rejects_the_key_of_an_edge() {
        let state = tempfile::tempdir().unwrap();
        let edge = weir_protocol::EdgeId([7; 16]);
        let file = state.path().join("key");
        fs::write(&file, keys::generate().edge_key(edge).to_line(edge)).unwrap();
        let error = load(None, state.path()).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "key: holds the key of edge 07070707-0707-0707-0707-070707070707; a balancer needs the key of the cluster"
            ),
            "{error}"
        );
    }
}
