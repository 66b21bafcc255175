//! Files that are slow to create and the same in every test run, kept in the target folder.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::binaries;

/// Returns the folder `name` in the target folder. Unless it was created with the same `key`, it is emptied and filled
/// by `create`. Concurrent test runs create it once.
///
/// # Panics
/// If `create` panics, or the target folder is not writable.
#[must_use]
pub fn folder(name: &str, key: &[u8], create: impl FnOnce(&PathBuf)) -> PathBuf {
    let target = binaries::target_folder();
    let folder = target.join(name);
    let lock = File::create(target.join(format!("{name}.lock"))).expect("a file in the target folder");
    lock.lock().expect("a lock in the target folder");
    let key_file = folder.join("made-with");
    if fs::read(&key_file).ok().as_deref() != Some(key) {
        // An interrupted run may have left an incomplete folder.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder in the target folder");
        create(&folder);
        fs::write(key_file, key).expect("a file in the new folder");
    }
    folder
}
