//! From the command line to the exit code.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Why a program ends before its time: an exit code, of sysexits.h but for one, and one line that says what is wrong, where, and what
/// to do.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

/// How a program ends.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// The command line, the configuration, or a file that it names is wrong: exit code 64 (`EX_USAGE`).
    #[must_use]
    pub fn configuration(message: impl Display) -> Self {
        Self { code: 64, message: message.to_string() }
    }

    /// Something that is needed is not to be had, a port most often: exit code 69 (`EX_UNAVAILABLE`).
    #[must_use]
    pub fn unavailable(message: impl Display) -> Self {
        Self { code: 69, message: message.to_string() }
    }

    /// What was asked for has been done, and its answer is no: exit code 1, as of `diff` and `grep`.
    #[must_use]
    pub fn negative(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }
}

/// Reads the command line, starts the log, runs `execute`, and says how it went.
///
/// What a program has to say goes to standard output, its log to standard error; `RUST_LOG` chooses what is logged.
pub fn run<A: clap::Parser>(execute: impl FnOnce(A) -> Outcome) -> ExitCode {
    let outcome = match A::try_parse() {
        Ok(arguments) => {
            log();
            execute(arguments)
        }
        Err(error) if error.use_stderr() => Err(Failure::configuration(one_line(&error))),
        Err(help_or_version) => {
            // What cannot be printed cannot be reported either.
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

/// Runs `work` on this thread.
///
/// # Errors
/// Those of `work`, and when the system has no means to wait for events.
pub fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::unavailable)?;
    let outcome = runtime.block_on(work);
    // Without waiting for what cannot be ended, such as a name that is being resolved.
    runtime.shutdown_background();
    outcome
}

/// Done at the first SIGTERM or SIGINT after this call. Must be called within [`block_on`].
///
/// # Errors
/// When the system does not let signals be caught.
pub fn asked_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::unavailable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::unavailable)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Prints a line for people and scripts. Nobody may be listening any more: that is no reason to stop.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn log() {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .with_target(false)
        .init();
}

/// What is wrong with a command line, as one line.
fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    // The first paragraph says what is wrong; a list of missing arguments has a line for each. The rest is usage.
    let said: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    format!("{}; see --help", said.join(" ").trim_start_matches("error: "))
}
