//! The GUID file, which identifies this edge.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use weir_program::files::{self, Access};
use weir_program::random;
use weir_protocol::EdgeId;

/// Why the edge has no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{0}: cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    /// The file does not exist, and cannot be created.
    #[error("{0}: cannot be created: {1}; choose another folder with --state")]
    NotCreated(PathBuf, io::Error),
    /// The file does not hold a GUID.
    #[error("{0}: {1}; remove the file to get a new identity")]
    Malformed(PathBuf, weir_protocol::edge_id::ParseEdgeIdError),
}

/// Reads the GUID from `file`, which is created with a random one if it does not exist.
///
/// # Errors
/// [`Error`], which names the file.
pub fn load(file: &Path) -> Result<EdgeId, Error> {
    match files::read_text(file) {
        Ok(text) => text.parse().map_err(|error| Error::Malformed(file.into(), error)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let id = EdgeId::from_random(random::bytes());
            // Fails when another agent has created the file meanwhile: two agents must not share one GUID.
            let created = files::create(file, format!("{id}\n").as_bytes(), Access::Everyone);
            created.map_err(|error| Error::NotCreated(file.into(), error))?;
            Ok(id)
        }
        Err(error) => Err(Error::Unreadable(file.into(), error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_identity_is_created_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/guid");
        let id = load(&file).unwrap();
        assert_eq!(load(&file).unwrap(), id);
        assert_ne!(load(&folder.path().join("other")).unwrap(), id);
    }

    #[test]
    fn a_file_without_a_guid_is_named_in_the_error_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("guid");
        fs::write(&file, "edge1\n").unwrap();
        let error = load(&file).unwrap_err().to_string();
        assert!(
            error.contains("guid: not a GUID") && error.ends_with("remove the file to get a new identity"),
            "{error}"
        );
    }
}
