//! curl.

use crate::balancer::Balancer;
use crate::binaries;
use crate::process;
use crate::wait::PATIENCE;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The status code.
    pub status: u16,
    /// The redirect's URL; empty without a redirect.
    pub location: String,
    /// The content type; empty without one.
    pub content_type: String,
    /// The body, which must be UTF-8.
    pub body: String,
}

/// Fetches a URL without following redirects; `options` are passed to curl.
///
/// # Panics
/// When curl gets no response.
#[track_caller]
#[must_use]
pub fn fetch(url: &str, options: &[&str]) -> Fetched {
    let mut command = process::command(binaries::installed("curl"));
    // curl's report goes to stderr, so that stdout is exactly the body.
    let report = r"%{stderr}%{http_code}\n%{redirect_url}\n%{content_type}\n";
    command.args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*", "--write-out", report]);
    command.args(options).arg(url);
    let finished = process::run(command, PATIENCE).expect_success();
    let mut lines = finished.stderr.lines().map(str::to_owned);
    let mut line = || lines.next().expect("curl reports three lines");
    let status = line().parse().expect("a status code");
    let (location, content_type) = (line(), line());
    Fetched { status, location, content_type, body: finished.stdout }
}

/// Requests the host of an edge from the balancer, as players do: `GET /loadbalancer` returns `redirect=HOST`.
///
/// # Panics
/// When the response is anything else.
#[track_caller]
#[must_use]
pub fn ask(balancer: &Balancer) -> String {
    let answer = fetch(&balancer.url("http", "/loadbalancer"), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.strip_prefix("redirect=").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
