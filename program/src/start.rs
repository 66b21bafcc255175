//! From the command line to the exit code.

use std::env;
use std::fmt::Display;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing::warn;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Why a program ends early: an exit code, and one line that says what is wrong, where, and what to do. The codes are
/// those of sysexits.h, except for 1.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

/// How a program ends.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// The command line, the configuration, or a file named there is wrong: exit code 64 (`EX_USAGE`).
    #[must_use]
    pub fn configuration(message: impl Display) -> Self {
        Self { code: 64, message: message.to_string() }
    }

    /// A required resource is unavailable, such as a port: exit code 69 (`EX_UNAVAILABLE`).
    #[must_use]
    pub fn unavailable(message: impl Display) -> Self {
        Self { code: 69, message: message.to_string() }
    }

    /// The command has run, and its result is negative: exit code 1, as with `diff` and `grep`.
    #[must_use]
    pub fn negative(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }
}

/// Parses the command line, starts the log, runs `execute`, and reports a failure on standard error.
///
/// Output goes to standard output, the log to standard error. `RUST_LOG` filters the log; the default is `info`.
pub fn run<A: clap::Parser>(execute: impl FnOnce(A) -> Outcome) -> ExitCode {
    let outcome = match A::try_parse() {
        Ok(arguments) => {
            start_log();
            execute(arguments)
        }
        Err(error) if error.use_stderr() => Err(Failure::configuration(one_line(&error))),
        Err(help_or_version) => {
            // A closed stdout leaves nothing else to do.
            let _ = help_or_version.print();
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            let _ = writeln!(io::stderr(), "{}: {message}", A::command().get_name());
            code.into()
        }
    }
}

/// Runs `work` on the current thread, in a runtime of its own.
///
/// # Errors
/// Those of `work`; and [`Failure::unavailable`] when the system cannot create a runtime, which needs file descriptors.
pub fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unavailable)?;
    let outcome = runtime.block_on(work);
    // Does not wait for blocking calls that cannot be cancelled, such as a name lookup.
    runtime.shutdown_background();
    outcome
}

/// Resolves at the first SIGTERM or SIGINT after this call. Must be called within [`block_on`].
///
/// # Errors
/// [`Failure::unavailable`] when the signal handlers cannot be installed.
pub fn shutdown_signal() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::unavailable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::unavailable)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Prints a line for people and scripts. A closed stdout is not a reason to stop.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn start_log() {
    let directives = env::var("RUST_LOG").unwrap_or_default();
    let (filter, invalid) = log_filter(&directives);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    if let Some(error) = invalid {
        warn!(%error, "RUST_LOG ignored; expected a level such as debug, or a list such as info,weir_fronts=debug");
    }
}

/// Returns the filter for `RUST_LOG`, and the error if that is invalid.
fn log_filter(directives: &str) -> (Targets, Option<ParseError>) {
    let default = Targets::new().with_default(LevelFilter::INFO);
    if directives.is_empty() {
        return (default, None);
    }
    directives.parse().map_or_else(|error| (default, Some(error)), |filter| (filter, None))
}

/// Turns clap's report of a wrong command line into one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    // The first paragraph says what is wrong, with one line for each missing argument. The rest is usage.
    let message: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    format!("{}; see --help", message.join(" ").trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_log_filter_accepts_levels_for_all_or_single_crates_and_defaults_to_info() {
        let is_enabled = |directives, target, level| log_filter(directives).0.would_enable(target, &level);
        assert!(is_enabled("debug", "weir_fronts", Level::DEBUG));
        assert!(is_enabled("info,weir_fronts=debug", "weir_fronts::http", Level::DEBUG));
        assert!(!is_enabled("info,weir_fronts=debug", "weir_fleet", Level::DEBUG));
        for directives in ["", "weir_fronts=loud"] {
            assert!(is_enabled(directives, "weir_fronts", Level::INFO));
            assert!(!is_enabled(directives, "weir_fronts", Level::DEBUG));
        }
        assert!(log_filter("weir_fronts=loud").1.is_some() && log_filter("").1.is_none());
    }
}
