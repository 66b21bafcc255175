//! The GUID file: who this edge is.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use weir_program::random;
use weir_protocol::EdgeId;

/// Why the edge has no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{0}: cannot be read: {1}")]
    Unreadable(PathBuf, io::Error),
    /// There is no file yet, and none can be made.
    #[error("{0}: cannot be created: {1}; choose another folder with --state")]
    NotCreated(PathBuf, io::Error),
    /// The file holds something else.
    #[error("{0}: {1}; remove the file to get a new identity")]
    Malformed(PathBuf, weir_protocol::edge_id::ParseEdgeIdError),
}

/// Reads the identity from `file`, which is made with a random one if it is not there.
///
/// # Errors
/// [`Error`], which names the file.
pub fn load(file: &Path) -> Result<EdgeId, Error> {
    match fs::read_to_string(file) {
        Ok(text) => text.parse().map_err(|error| Error::Malformed(file.into(), error)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let id = EdgeId::from_random(random::bytes());
            create(file, id).map_err(|error| Error::NotCreated(file.into(), error))?;
            Ok(id)
        }
        Err(error) => Err(Error::Unreadable(file.into(), error)),
    }
}

fn create(file: &Path, id: EdgeId) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    // Of two agents that start at once, the second must not take over the identity of the first.
    let mut output = OpenOptions::new().write(true).create_new(true).open(file)?;
    writeln!(output, "{id}")?;
    output.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/guid");
        let id = load(&file).unwrap();
        assert_eq!(load(&file).unwrap(), id);
        assert_ne!(load(&folder.path().join("other")).unwrap(), id);
    }

    #[test]
    fn a_file_with_something_else_is_named_with_what_to_do() {
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
