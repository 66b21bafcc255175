//! Paths of the programs that tests run.

use std::env;
use std::path::PathBuf;

/// Returns the path of `weir-balancer`, built in the same profile as the test.
#[must_use]
pub fn balancer() -> PathBuf {
    workspace_program("weir-balancer")
}

/// Returns the path of `weir-agent`, built in the same profile as the test.
#[must_use]
pub fn agent() -> PathBuf {
    workspace_program("weir-agent")
}

/// Returns the path of a program of this workspace. Cargo passes the paths of a package's binaries only to the tests of
/// that package, so it is derived from the test's own: `target/<profile>/deps/e2e-…` → `target/<profile>/NAME`.
fn workspace_program(name: &str) -> PathBuf {
    let path = profile_folder().join(name);
    assert!(
        path.is_file(),
        "{} does not exist: build it with `cargo build --workspace --bins`, or run everything with `cargo xtask test`",
        path.display()
    );
    path
}

/// Returns cargo's target folder, for files that the tests generate.
#[must_use]
pub fn target_folder() -> PathBuf {
    profile_folder().parent().expect("a profile's folder has a parent").to_owned()
}

fn profile_folder() -> PathBuf {
    let test = env::current_exe().expect("the path of the running test");
    test.ancestors().nth(2).expect("the test is in target/<profile>/deps").to_owned()
}

/// Returns the path of an installed program.
///
/// # Panics
/// If it is not installed: a test whose client is missing must fail, since it proves nothing.
#[must_use]
pub fn installed(name: &str) -> PathBuf {
    // On Debian, nginx is in a folder that is not in the PATH of ordinary users.
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).unwrap_or_else(|| {
        panic!(
            "`{name}` is not installed: `cargo xtask test` installs the packages for these tests or prints the command \
             to do so"
        )
    })
}

/// Returns the path of the system's Python. GStreamer's bindings come as a Debian package, which no other Python finds.
#[must_use]
pub fn python() -> PathBuf {
    let path = PathBuf::from("/usr/bin/python3");
    assert!(path.is_file(), "/usr/bin/python3 is not installed: `cargo xtask test` installs it");
    path
}
