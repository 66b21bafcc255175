//! Where the programs are.

use std::env;
use std::path::PathBuf;

/// Path of `weir-balancer`, of the same profile as the test.
#[must_use]
pub fn balancer() -> PathBuf {
    own("weir-balancer")
}

/// Path of `weir-agent`, of the same profile as the test.
#[must_use]
pub fn agent() -> PathBuf {
    own("weir-agent")
}

/// A program of this workspace. Cargo names a package's binaries only to that package's own tests, so they are looked
/// for beside this test: `target/<profile>/deps/e2e-…` → `target/<profile>/NAME`.
fn own(name: &str) -> PathBuf {
    let path = profile().join(name);
    assert!(
        path.is_file(),
        "{} does not exist: build it with `cargo build --workspace --bins`, or run everything with `cargo xtask test`",
        path.display()
    );
    path
}

/// The folder that cargo builds into, for what the tests build themselves.
#[must_use]
pub fn target() -> PathBuf {
    profile().parent().expect("a profile's folder lies in another").to_owned()
}

fn profile() -> PathBuf {
    let test = env::current_exe().expect("the path of the running test");
    test.ancestors().nth(2).expect("a test lies in target/<profile>/deps").to_owned()
}

/// A program of the system.
///
/// # Panics
/// When it is not installed: a test whose client is missing has shown nothing, so it fails.
#[must_use]
pub fn installed(name: &str) -> PathBuf {
    // Debian keeps nginx where an ordinary user's PATH does not look.
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).unwrap_or_else(|| {
        panic!("`{name}` is not installed: `cargo xtask test` installs what these tests use, or names the command that does")
    })
}

/// The system's own Python: GStreamer's bindings come as a Debian package and are not seen by any other.
#[must_use]
pub fn python() -> PathBuf {
    let path = PathBuf::from("/usr/bin/python3");
    assert!(path.is_file(), "/usr/bin/python3 is not installed: `cargo xtask test` installs it");
    path
}
