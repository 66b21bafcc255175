//! The file that keeps an operator's commands over restarts.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tracing::warn;
use weir_program::files::{self, Access};

use crate::availability::OperatorState;

/// `operator.json` in the state folder, or nothing for an agent without a state folder.
#[derive(Debug)]
pub(crate) struct StateFile {
    file: Option<PathBuf>,
    /// Whether the last save succeeded.
    is_saved: bool,
}

/// The state cannot be saved.
#[derive(Debug, thiserror::Error)]
#[error("{file}: cannot be written: {cause}", file = .file.display())]
pub(crate) struct NotSaved {
    file: PathBuf,
    cause: io::Error,
}

impl StateFile {
    /// The state file of this folder.
    pub(crate) fn in_folder(folder: Option<&Path>) -> Self {
        Self { file: folder.map(|folder| folder.join("operator.json")), is_saved: true }
    }

    /// Reads the state; the default when there is no file yet. When the file cannot be read, the edge starts paused: an
    /// edge that is paused by mistake is noticed and unpaused, one that takes clients during maintenance is not.
    pub(crate) fn load(&self) -> OperatorState {
        let Some(file) = &self.file else { return OperatorState::default() };
        let state = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(OperatorState::default()),
            Err(error) => Err(error.to_string()),
        };
        state.unwrap_or_else(|error| {
            warn!(file = %file.display(), %error, "state file cannot be read; starting paused, see `weir-agent unpause`");
            OperatorState::paused()
        })
    }

    /// Saves the state.
    ///
    /// # Errors
    /// [`NotSaved`] when the file cannot be written. It has its previous contents then.
    pub(crate) fn save(&mut self, state: &OperatorState) -> Result<(), NotSaved> {
        let Some(file) = &self.file else { return Ok(()) };
        let bytes = serde_json::to_vec(state).map_err(io::Error::from);
        let written = bytes.and_then(|bytes| files::replace(file, &bytes, Access::Everyone));
        self.is_saved = written.is_ok();
        written.map_err(|cause| NotSaved { file: file.clone(), cause })
    }

    /// Returns whether the last save succeeded.
    pub(crate) fn is_saved(&self) -> bool {
        self.is_saved
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::Action;
    use weir_protocol::report::{Reasons, Status};

    use super::*;
    use crate::availability::Availability;

    const NOW: u64 = 1_000_000;

    #[test]
    fn commands_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = StateFile::in_folder(Some(&folder.path().join("deep")));
        let mut state = file.load();
        assert_eq!(state, OperatorState::default());
        state.apply(Action::Pause, NOW);
        state.record_start(NOW);
        file.save(&state).unwrap();
        assert_eq!(file.load(), state);
    }

    #[test]
    fn an_edge_whose_state_file_cannot_be_read_starts_paused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("operator.json"), b"{\"paused\":fal").unwrap();
        let availability = Availability::new(StateFile::in_folder(Some(folder.path())).load());
        assert_eq!(availability.status(true, NOW), (Status::Paused, Reasons::OPERATOR));
    }

    #[test]
    fn a_state_that_cannot_be_saved_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.json");
        let mut file = StateFile::in_folder(Some(folder.path()));
        let mut state = OperatorState::default();
        file.save(&state).unwrap();
        assert!(file.is_saved());
        // Not even root can replace a folder by a file.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        state.apply(Action::Pause, NOW);
        let error = file.save(&state).unwrap_err().to_string();
        assert!(error.contains("operator.json: cannot be written: ") && !file.is_saved(), "{error}");
        fs::remove_dir(&path).unwrap();
        file.save(&state).unwrap();
        assert_eq!((file.load(), file.is_saved()), (state, true));
    }
}
