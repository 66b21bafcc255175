//! What the guest says on its serial line. `weir_tests::kernel::scenario` is the other side:
//!
//! ```text
//! RUN NAME                     a scenario starts
//! RESULT NAME ok: MEASURED     … and has ended
//! RESULT NAME failed: REASON
//! END                          all have
//! ```
//!
//! Everything else is of interest when something failed: what programs said, and the kernel.

/// How many of the last lines are shown when the guest dies.
const LAST_LINES: usize = 60;

/// How a kernel says that it is broken, or found itself so.
const CRIES: [&str; 6] = [
    "Kernel panic",
    "BUG: ",
    "Oops: ",
    "general protection fault",
    "------------[ cut here ]",
    "Out of memory: Killed",
];

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Console {
    /// Lines since the last event.
    lines: Vec<String>,
    /// The scenario that runs.
    running: Option<String>,
    /// It has said that it lives.
    booted: bool,
    passed: usize,
    /// By name.
    failed: Vec<String>,
    /// The kernel cried out.
    cry: Option<String>,
    /// All scenarios have ended.
    ended: bool,
}

/// Something to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first scenario starts.
    Booted,
    /// Another scenario starts.
    Started,
    /// A scenario has shown what it was to show.
    Passed {
        /// The scenario.
        name: String,
        /// What it has measured.
        measured: String,
    },
    /// A scenario has failed.
    Failed {
        /// The scenario.
        name: String,
        /// Why.
        reason: String,
        /// All that was said since it started.
        said: String,
    },
}

impl Console {
    /// Takes the next line.
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
        if self.cry.is_none() && CRIES.iter().any(|cry| line.contains(cry)) {
            self.cry = Some(line.to_owned());
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
        let said = self.lines.iter().map(|line| format!("      | {line}\n")).collect();
        Some(Event::Failed { name: name.to_owned(), reason: reason.to_owned(), said })
    }

    /// How it went, once the guest has ended.
    pub(crate) fn outcome(&self) -> Result<(), String> {
        if let Some(cry) = &self.cry {
            return Err(self.obituary(&format!("the kernel said `{cry}`")));
        }
        if !self.ended {
            return Err(self.obituary("the guest ended before its scenarios did"));
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

    /// What the guest said before this happened to it.
    pub(crate) fn obituary(&self, reason: &str) -> String {
        let last = &self.lines[self.lines.len().saturating_sub(LAST_LINES)..];
        let said: String = last.iter().map(|line| format!("      | {line}\n")).collect();
        let during = self.running.as_ref().map(|name| format!(" during {name}")).unwrap_or_default();
        format!("{reason}{during}; it had said\n{said}")
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
    fn a_scenario_passes_with_what_it_measured() {
        let (console, events) = read(&["SeaBIOS", "RUN nat", "a log line", "RESULT nat ok: edge1 12, edge2 12", "END"]);
        let passed = Event::Passed { name: "nat".to_owned(), measured: "edge1 12, edge2 12".to_owned() };
        assert_eq!(events, [Event::Booted, passed]);
        assert_eq!(console.outcome(), Ok(()));
    }

    #[test]
    fn a_scenario_that_fails_fails_the_run_and_shows_what_was_said_since_it_started() {
        let (console, events) =
            read(&["RUN a", "of a", "RESULT a ok: 1", "RUN b", "of b", "RESULT b failed: lost 2", "END"]);
        let said = "      | of b\n".to_owned();
        assert_eq!(events[3], Event::Failed { name: "b".to_owned(), reason: "lost 2".to_owned(), said });
        assert_eq!(console.outcome(), Err("1 of 2 scenarios failed: b".to_owned()));
    }

    #[test]
    fn a_guest_that_dies_is_told_with_its_last_words() {
        let (console, _) = read(&["RUN nat", "[    1.0] Kernel panic - not syncing: Attempted to kill init!"]);
        let error = console.outcome().expect_err("it died");
        assert!(error.contains("during nat") && error.contains("Attempted to kill init"), "{error}");
        let (console, _) = read(&["RUN nat", "the last words"]);
        let error = console.outcome().expect_err("it ended too early");
        assert!(error.contains("ended before") && error.contains("the last words"), "{error}");
    }

    #[test]
    fn a_kernel_that_finds_a_bug_in_itself_fails_the_run_though_its_scenarios_passed() {
        let (console, _) = read(&["RUN a", "[ 2.0] BUG: kernel NULL pointer dereference", "RESULT a ok: 1", "END"]);
        assert!(console.outcome().expect_err("a bug").contains("NULL pointer"), "{console:?}");
    }

    #[test]
    fn a_run_without_a_scenario_has_shown_nothing() {
        assert!(read(&["END"]).0.outcome().is_err());
    }
}
