//! keepalived's track file: reports whether this director can serve.

use std::fs;
use std::path::{Path, PathBuf};

use crate::status::{ServiceStatus, State};

/// Value that keepalived adds to the priority of this director.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum TrackValue {
    /// All services have servers.
    Healthy = 0,
    /// Some services have no server, the kernel is not in its desired state, or this director is about to stop. The
    /// other director takes over if it is healthy.
    HandOver = -100,
    /// No service has a server. keepalived releases the addresses, whatever the state of the other director.
    Fault = -254,
}

impl TrackValue {
    /// The value for this state of kernel mode. If only some services have no server, the others are still served,
    /// perhaps on both directors, so neither may release the addresses.
    #[must_use]
    pub fn of(state: &State, services: &[ServiceStatus]) -> Self {
        let mut listed =
            services.iter().flat_map(|service| service.servers.values()).filter_map(|server| server.listed);
        if !listed.any(|listed| listed.destination.is_live()) {
            Self::Fault
        } else if *state == State::Running && services.iter().all(ServiceStatus::is_live) {
            Self::Healthy
        } else {
            Self::HandOver
        }
    }
}

/// keepalived's track file.
#[derive(Debug)]
pub(crate) struct TrackFile {
    path: PathBuf,
    written: Option<TrackValue>,
}

impl TrackFile {
    /// A file to which nothing has been written yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, written: None }
    }

    /// Path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The value that was last written.
    pub(crate) fn written(&self) -> Option<TrackValue> {
        self.written
    }

    /// Writes `value` if it has changed.
    ///
    /// # Errors
    /// A text with the path.
    pub(crate) fn write(&mut self, value: TrackValue) -> Result<(), String> {
        if self.written != Some(value) {
            // In place, since keepalived watches the file itself, not its name.
            let written = fs::write(&self.path, format!("{}\n", value as i16));
            written.map_err(|error| format!("keepalived track file {}: {error}", self.path.display()))?;
            self.written = Some(value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::desired::FamilyStatus;
    use crate::directors::tests::listed;
    use crate::model::Family;
    use crate::status::ServerStatus;

    #[test]
    fn the_track_value_follows_the_services() {
        let service = |server: Option<u32>| {
            let address = [10, 0, 0, 1].into();
            let listed = server.map(|weight| listed(address, weight));
            ServiceStatus {
                name: "media".to_owned(),
                mark: 1,
                scheduler: "wlc".to_owned(),
                quorum: 1,
                families: BTreeMap::from([(Family::V4, FamilyStatus { up: 1, is_sorry_active: false })]),
                servers: BTreeMap::from([(address, ServerStatus { listed, ..ServerStatus::default() })]),
            }
        };
        let (live, drained, dead) = (|| service(Some(1)), || service(Some(0)), || service(None));
        let failed = State::Failed("the kernel refused".to_owned());
        assert_eq!(TrackValue::of(&State::Running, &[live(), live()]), TrackValue::Healthy);
        assert_eq!(TrackValue::of(&State::Running, &[live(), dead()]), TrackValue::HandOver);
        assert_eq!(TrackValue::of(&failed, &[live()]), TrackValue::HandOver);
        assert_eq!(TrackValue::of(&State::Running, &[drained(), dead()]), TrackValue::Fault);
        assert_eq!(TrackValue::of(&failed, &[]), TrackValue::Fault);
    }

    #[test]
    fn the_track_file_has_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("track");
        let mut track_file = TrackFile::new(file.clone());
        for (value, text) in
            [(TrackValue::Healthy, "0\n"), (TrackValue::HandOver, "-100\n"), (TrackValue::Fault, "-254\n")]
        {
            track_file.write(value).unwrap();
            assert_eq!((fs::read_to_string(&file).unwrap().as_str(), track_file.written()), (text, Some(value)));
        }
    }

    #[test]
    fn a_track_file_that_cannot_be_written_is_an_error_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run/track");
        let mut track_file = TrackFile::new(file.clone());
        let error = track_file.write(TrackValue::Healthy).unwrap_err();
        assert!(error.starts_with(&format!("keepalived track file {}: ", file.display())), "{error}");
        assert_eq!(track_file.written(), None);
        fs::create_dir(folder.path().join("run")).unwrap();
        track_file.write(TrackValue::Healthy).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "0\n");
    }
}
