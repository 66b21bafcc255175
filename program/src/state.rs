//! The folder for what must survive a restart.

use std::path::PathBuf;

/// Where state is kept unless told otherwise: what systemd gives (`StateDirectory=`), `/var/lib/weir` for root, and the
/// user's state folder by the XDG base directory specification for others.
#[must_use]
pub fn default_folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = set("STATE_DIRECTORY") {
        return folder;
    }
    if rustix::process::geteuid().is_root() {
        return "/var/lib/weir".into();
    }
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| "/var/tmp".into()).join("weir")
}
