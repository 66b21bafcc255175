//! The end of the controller: hand-over to the other director, the `on_exit` policy, and panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tracing::{error, info, warn};

use super::apply::{Applied, Refusals, apply};
use super::{Controller, next_role};
use crate::directors::{NotifyFifo, TrackFile, TrackValue};
use crate::model::Role;
use crate::settings::OnExit;
use crate::status::{State, Status};

impl Controller {
    /// Before the balancer stops serving, requests that the other director takes over, and waits until it has.
    pub(super) async fn hand_over(&mut self, notify_fifo: &mut Option<NotifyFifo>) {
        let (Some(directors), Some(track_file)) = (&self.settings.directors, &mut self.track_file) else { return };
        // A director that is to release its addresses, or has done so, must not get them back.
        if self.settings.on_exit == OnExit::Keep || track_file.written() == Some(TrackValue::Fault) {
            return;
        }
        if let Err(error) = track_file.write(TrackValue::HandOver) {
            warn!(%error, "hand-over could not be requested");
        }
        let role = &mut self.role;
        let handed_over = async {
            while *role == Some(Role::Master) {
                *role = next_role(notify_fifo).await;
            }
        };
        if tokio::time::timeout(directors.hand_over, handed_over).await.is_err() {
            warn!("hand-over timed out; new clients are not served until the other director takes over");
        }
    }

    /// Applies the `on_exit` policy.
    pub(super) fn leave(&mut self) {
        let on_exit = self.settings.on_exit;
        let (Some(kernel), Some(desired)) = (&mut self.kernel, self.policy.on_exit(on_exit, self.role)) else { return };
        let before = kernel.read(desired.owned());
        match before.and_then(|before| apply(kernel, &desired, before, &mut Refusals::default())) {
            Ok(Applied { problem: None, .. }) => info!(policy = on_exit.name(), "applied on_exit policy"),
            Ok(Applied { problem: Some(reason), .. }) => error!(%reason, "on_exit policy failed"),
            Err(error) => error!(reason = %error, "on_exit policy failed"),
        }
        if on_exit == OnExit::Remove
            && let Some(Err(error)) = self.track_file.as_mut().map(|file| file.write(TrackValue::Fault))
        {
            warn!(%error, "fault could not be reported to keepalived");
        }
    }
}

/// Runs the controller's work. After a panic, which is a bug, the kernel is no longer managed: the failure is reported
/// in the status and to the other director before the panic continues. Redirects are still served.
pub(super) fn guard(work: impl FnOnce(), status: &ArcSwap<Status>, track_file: Option<PathBuf>) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { return };
    let reason = "kernel mode stopped after an internal error; see the log, and restart the balancer";
    let last = status.load_full();
    status.store(Arc::new(Status { state: State::Failed(reason.to_owned()), ..Status::clone(&last) }));
    if let Some(Err(error)) = track_file.map(|path| TrackFile::new(path).write(TrackValue::Fault)) {
        error!(%error, "fault could not be reported to keepalived");
    }
    resume_unwind(panic);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_reported_in_the_status_and_to_the_other_director() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("track");
        let status = ArcSwap::from_pointee(Status { state: State::Running, ..Status::default() });
        guard(|| {}, &status, Some(file.clone()));
        assert!(status.load().state == State::Running && !file.exists());
        let panics = || guard(|| panic!("a bug"), &status, Some(file.clone()));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err(), "it is visible where the thread is joined");
        assert!(matches!(&status.load().state, State::Failed(reason) if reason.contains("see the log")));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "-254\n");
    }
}
