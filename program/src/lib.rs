//! What `weir-balancer` and `weir-agent` share, so that both start, fail, log and keep their files in the same way.
//!
//! A program is a type for its command line and a function that executes it, passed to [`start::run`]: it parses the
//! arguments, starts the log, and turns the [`Outcome`] into an exit code and one line that says what is wrong and what
//! to do. Within the function, [`start::block_on`] runs asynchronous work until [`start::shutdown_signal`].
//!
//! ```no_run
//! use weir_program::{Outcome, say, start};
//!
//! /// Serves until it is terminated.
//! #[derive(clap::Parser)]
//! struct Arguments {}
//!
//! fn execute(_arguments: Arguments) -> Outcome {
//!     start::block_on(async {
//!         let shutdown = start::shutdown_signal()?;
//!         say("ready");
//!         shutdown.await;
//!         Ok(())
//!     })
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     start::run(execute)
//! }
//! ```
//!
//! | module      | contents                                                              |
//! |-------------|-----------------------------------------------------------------------|
//! | [`start`]   | command line, log, signals and exit codes                             |
//! | [`config`]  | configuration files: values with units and ranges, errors with a line |
//! | [`state`]   | the default folder for state                                          |
//! | [`files`]   | state and key files, written as a whole or not at all                 |
//! | [`keys`]    | key files                                                             |
//! | [`units`]   | durations                                                             |
//! | [`random`]  | the random source of the system                                       |
//! | [`clock`]   | time since the start, and the time of day                             |
//! | [`listen`]  | listening sockets                                                     |
//! | [`metrics`] | metrics, each declared by the code that counts it                     |
//! | [`netlink`] | netlink sockets                                                       |
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod files;
pub mod keys;
pub mod listen;
pub mod metrics;
pub mod netlink;
pub mod random;
pub mod start;
pub mod state;
pub mod units;

pub use start::{Failure, Outcome, say};
