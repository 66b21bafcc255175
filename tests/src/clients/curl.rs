//! curl.

use crate::balancer::Balancer;
use crate::binaries;
use crate::process;
use crate::wait::PATIENCE;

/// An answer to curl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Such as 302.
    pub status: u16,
    /// Where it redirects to; empty when it does not.
    pub location: String,
    /// Empty when there is none.
    pub content_type: String,
    /// The bytes of the body, which are text wherever these tests look.
    pub body: String,
}

/// Fetches a URL and follows nothing; `options` are curl's.
///
/// # Panics
/// When curl gets no answer.
#[track_caller]
#[must_use]
pub fn fetch(url: &str, options: &[&str]) -> Fetched {
    let mut command = process::command(binaries::installed("curl"));
    // What curl has to say comes first and on lines of its own, so that the body's last byte is its own.
    let report = r"%{stderr}%{http_code}\n%{redirect_url}\n%{content_type}\n";
    command.args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*", "--write-out", report]);
    command.args(options).arg(url);
    let finished = process::run(command, PATIENCE).expect_success();
    let mut lines = finished.stderr.lines().map(str::to_owned);
    let mut line = || lines.next().expect("curl was told to report three lines");
    let status = line().parse().expect("a status code");
    let (location, content_type) = (line(), line());
    Fetched { status, location, content_type, body: finished.stdout }
}

/// Asks the balancer for an edge, as players do: `GET /loadbalancer`, `redirect=HOST`.
///
/// # Panics
/// When the answer is anything else.
#[track_caller]
#[must_use]
pub fn ask(balancer: &Balancer) -> String {
    let answer = fetch(&balancer.url("http", "/loadbalancer"), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.strip_prefix("redirect=").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
