//! What takes long to make and is the same for every test run: it is kept in the target folder.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::binaries;

/// The folder `name` in the target folder. When it does not hold what was made of `recipe`, it is emptied and `make`
/// fills it; two test runs at once make it once.
///
/// # Panics
/// When `make` does, and when the target folder cannot be written.
#[must_use]
pub fn folder(name: &str, recipe: &[u8], make: impl FnOnce(&PathBuf)) -> PathBuf {
    let target = binaries::target();
    let folder = target.join(name);
    let lock = File::create(target.join(format!("{name}.lock"))).expect("a file in the target folder");
    lock.lock().expect("a lock in the target folder");
    let made = folder.join("made-with");
    if fs::read(&made).ok().as_deref() != Some(recipe) {
        // What a run that was ended has left is not whole.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder in the target folder");
        make(&folder);
        fs::write(made, recipe).expect("a file in the folder just made");
    }
    folder
}
