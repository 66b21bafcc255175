//! How many sockets a test may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and those that it starts from now on, have as many files open as the system allows it.
///
/// # Panics
/// When that is fewer than `least`.
pub fn allow(least: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit.
    if current.is_some_and(|current| current < least) {
        let most = maximum.unwrap_or(u64::MAX);
        assert!(
            most >= least,
            "this test has up to {least} files open at a time and may have {most}: raise the hard limit (`ulimit -Hn`, or \
             LimitNOFILE= of the service that runs it)"
        );
        let raised = Rlimit { current: maximum, maximum };
        setrlimit(Resource::Nofile, raised).expect("a process may raise its limit up to the hard one");
    }
}
