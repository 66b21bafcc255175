//! The folder for state that must survive a restart.

use std::path::PathBuf;

/// Returns the folder that is used unless another one is configured: the one that systemd sets (`StateDirectory=`, in
/// the environment variable `STATE_DIRECTORY`), else `/var/lib/weir` for root, else `weir` in the user's state folder
/// according to the XDG Base Directory Specification.
#[must_use]
pub fn default_folder() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("STATE_DIRECTORY") {
        return folder;
    }
    if rustix::process::geteuid().is_root() {
        return "/var/lib/weir".into();
    }
    let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| "/var/tmp".into()).join("weir")
}
