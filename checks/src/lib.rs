//! Health checks of media servers: TCP, TLS, RTSP, HTTP, RTMP, UDP, or a program.
//!
//! # From a check to a verdict
//!
//! 1. A [`Check`] is configured per service: the [`Probe`](check::Probe) to send, its intervals and time limit, and how
//!    many consecutive successes (`rise`) or failures (`fall`) change the verdict.
//! 2. The [`HealthChecker`] runs one task for each [`Target`], a server under a check. A semaphore limits how many
//!    probes run concurrently.
//! 3. Each task sends a [`probe()`] and waits for its outcome: success, or a [`Failure`] with its reason. A failure
//!    that [is local](Failure::is_local), such as a lack of file descriptors, says nothing about the server.
//! 4. The task's [`Monitor`] turns the sequence of outcomes into a [`Verdict`], and decides when the next probe is due:
//!    after `interval` while the server is up and its last probe succeeded, after `fast_interval` otherwise.
//! 5. A change of verdict is logged, and published with the counts of outcomes to everyone who watches
//!    [`HealthChecker::statuses`].
//!
//! # Modules
//!
//! | module            | contents                                                               |
//! |-------------------|------------------------------------------------------------------------|
//! | [`mod@check`]     | the configuration of a check                                           |
//! | [`checker`]       | runs the checks of many servers                                        |
//! | [`mod@probe`]     | one probe of one server                                                |
//! | [`failure`]       | why a probe failed                                                     |
//! | [`monitor`]       | from outcomes to a verdict and the time of the next probe; pure        |
//! | [`rtsp_response`] | parses RTSP responses; pure                                            |
//! | [`search`]        | searches a response for a text; pure                                   |
//! | [`source_ports`]  | the source ports that probes of virtual addresses used recently        |

#![forbid(unsafe_code)]

pub mod check;
pub mod checker;
pub mod failure;
pub mod monitor;
pub mod probe;
pub mod rtsp_response;
pub mod search;
pub mod source_ports;

pub use check::Check;
pub use checker::{HealthChecker, Status, Target};
pub use failure::Failure;
pub use monitor::{Monitor, Verdict};
pub use probe::{ProbeOptions, probe};
