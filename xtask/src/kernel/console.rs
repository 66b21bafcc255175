//! A parser for the guest's serial console. The output comes from `weir_tests::kernel::scenario`:
//!
//! ```text
//! RUN NAME                     a scenario starts
//! RESULT NAME ok: MEASURED     it has passed
//! RESULT NAME failed: REASON   it has failed
//! END                          all scenarios have ended
//! ```
//!
//! All other lines, from programs and from the kernel, are shown only after a failure.

/// Number of lines that are shown when the guest ends unexpectedly.
const LAST_LINES: usize = 60;

/// Messages of the kernel that report a fault of its own.
const KERNEL_FAULTS: [&str; 6] = [
    "Kernel panic",
    "BUG: ",
    "Oops: ",
    "general protection fault",
    "------------[ cut here ]",
    "Out of memory: Killed",
];

/// The state of the run so far.
#[derive(Debug, Default)]
pub(crate) struct Console {
    /// Lines since the last event.
    lines: Vec<String>,
    /// The running scenario.
    running: Option<String>,
    /// Whether the first scenario has started.
    booted: bool,
    passed: usize,
    /// Names of the failed scenarios.
    failed: Vec<String>,
    /// The first message about a kernel fault.
    kernel_fault: Option<String>,
    /// Whether all scenarios have ended.
    ended: bool,
}

/// An event to print.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first scenario starts.
    Booted,
    /// Another scenario starts.
    Started,
    /// A scenario has passed.
    Passed {
        /// Name of the scenario.
        name: String,
        /// Its measurements.
        measured: String,
    },
    /// A scenario has failed.
    Failed {
        /// Name of the scenario.
        name: String,
        /// Reason of the failure.
        reason: String,
        /// All output since its start.
        output: String,
    },
}

impl Console {
    /// Processes the next line.
    pub(crate) fn read(&mut self, line: &str) -> Option<Event> {
        if let Some(name) = line.strip_prefix("RUN ") {
            self.running = Some(name.to_owned());
            self.lines.clear();
            let first = !std::mem::replace(&mut self.booted, true);
            return Some(if first { Event::Booted } else { Event::Started });
        }
        if let Some(event) = line.strip_prefix("RESULT ").and_then(|result| self.result(result)) {
            self.running = None;
            self.lines.clear();
            return Some(event);
        }
        if line == "END" {
            self.ended = true;
        } else {
            self.lines.push(line.to_owned());
        }
        if self.kernel_fault.is_none() && KERNEL_FAULTS.iter().any(|fault| line.contains(fault)) {
            self.kernel_fault = Some(line.to_owned());
        }
        None
    }

    fn result(&mut self, result: &str) -> Option<Event> {
        if let Some((name, measured)) = result.split_once(" ok: ") {
            self.passed += 1;
            return Some(Event::Passed { name: name.to_owned(), measured: measured.to_owned() });
        }
        let (name, reason) = result.split_once(" failed: ")?;
        self.failed.push(name.to_owned());
        let output = self.lines.iter().map(|line| format!("      | {line}\n")).collect();
        Some(Event::Failed { name: name.to_owned(), reason: reason.to_owned(), output })
    }

    /// Returns the result of the run, once the guest has ended.
    pub(crate) fn outcome(&self) -> Result<(), String> {
        if let Some(fault) = &self.kernel_fault {
            return Err(self.post_mortem(&format!("kernel fault `{fault}`")));
        }
        if !self.ended {
            return Err(self.post_mortem("the guest ended before its scenarios did"));
        }
        if !self.failed.is_empty() {
            let all = self.failed.len() + self.passed;
            return Err(format!("{} of {all} scenarios failed: {}", self.failed.len(), self.failed.join(", ")));
        }
        if self.passed == 0 {
            return Err("no scenario was run".to_owned());
        }
        Ok(())
    }

    /// Returns a report of why and during which scenario the guest ended, with its last output.
    pub(crate) fn post_mortem(&self, reason: &str) -> String {
        let last = &self.lines[self.lines.len().saturating_sub(LAST_LINES)..];
        let output: String = last.iter().map(|line| format!("      | {line}\n")).collect();
        let during = self.running.as_ref().map(|name| format!(" during {name}")).unwrap_or_default();
        format!("{reason}{during}; last output:\n{output}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> (Console, Vec<Event>) {
        let mut console = Console::default();
        let events = lines.iter().filter_map(|line| console.read(line)).collect();
        (console, events)
    }

    #[test]
    fn a_passed_scenario_reports_its_measurements() {
        let (console, events) = read(&["SeaBIOS", "RUN nat", "a log line", "RESULT nat ok: edge1 12, edge2 12", "END"]);
        let passed = Event::Passed { name: "nat".to_owned(), measured: "edge1 12, edge2 12".to_owned() };
        assert_eq!(events, [Event::Booted, passed]);
        assert_eq!(console.outcome(), Ok(()));
    }

    #[test]
    fn a_failed_scenario_fails_the_run_and_shows_its_output() {
        let (console, events) =
            read(&["RUN a", "of a", "RESULT a ok: 1", "RUN b", "of b", "RESULT b failed: lost 2", "END"]);
        let output = "      | of b\n".to_owned();
        assert_eq!(events[3], Event::Failed { name: "b".to_owned(), reason: "lost 2".to_owned(), output });
        assert_eq!(console.outcome(), Err("1 of 2 scenarios failed: b".to_owned()));
    }

    #[test]
    fn the_last_output_of_a_guest_that_ends_early_is_shown() {
        let (console, _) = read(&["RUN nat", "[    1.0] Kernel panic - not syncing: Attempted to kill init!"]);
        let error = console.outcome().expect_err("it panicked");
        assert!(error.contains("during nat") && error.contains("Attempted to kill init"), "{error}");
        let (console, _) = read(&["RUN nat", "the last words"]);
        let error = console.outcome().expect_err("it ended too early");
        assert!(error.contains("ended before") && error.contains("the last words"), "{error}");
    }

    #[test]
    fn a_kernel_fault_fails_the_run_even_if_all_scenarios_pass() {
        let (console, _) = read(&["RUN a", "[ 2.0] BUG: kernel NULL pointer dereference", "RESULT a ok: 1", "END"]);
        assert!(console.outcome().expect_err("a bug").contains("NULL pointer"), "{console:?}");
    }

    #[test]
    fn a_run_without_scenarios_fails() {
        assert!(read(&["END"]).0.outcome().is_err());
    }
}
