//! The open file limit of a test.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the open file limit of this process and of its future children to the hard limit, if it is below `minimum`.
///
/// # Panics
/// If the hard limit is below `minimum`.
pub fn raise_limit(minimum: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None means unlimited.
    if current.is_some_and(|current| current < minimum) {
        let hard_limit = maximum.unwrap_or(u64::MAX);
        assert!(
            hard_limit >= minimum,
            "this test needs {minimum} open files, but the hard limit is {hard_limit}: raise it (`ulimit -Hn`, or \
             LimitNOFILE= of the service that runs the test)"
        );
        let raised = Rlimit { current: maximum, maximum };
        setrlimit(Resource::Nofile, raised).expect("a process may raise its limit up to the hard one");
    }
}
