//! The variables that the methods in use need, looked at again now and then: others set them, too, such as a package that
//! is upgraded and applies its own.

use std::time::Duration;

use tracing::warn;
use weir_fleet::Time;

use crate::sysctls::{Finding, Variable};

/// How often they are looked at. Each is a small file that is read.
const PERIOD: Duration = Duration::from_secs(10);

/// The variables, and how they were when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Variables {
    findings: Vec<Finding>,
    looked_at: Option<Time>,
}

impl Variables {
    /// How they are.
    pub(super) fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Why nobody is served, if one of them is the reason.
    pub(super) fn complaint(&self) -> Option<String> {
        let is_grave = |finding: &&Finding| finding.variable.is_vital() && !finding.is_right();
        self.findings.iter().find(is_grave).map(ToString::to_string)
    }

    /// Has them looked at if it is time to, or if others are needed than before, and says what is new. Returns how many of
    /// them somebody else had changed, and are right again.
    pub(super) fn look(
        &mut self,
        needed: Vec<Variable>,
        now: Time,
        inspect: impl FnOnce(Vec<Variable>) -> Vec<Finding>,
    ) -> usize {
        let is_same = self.findings.iter().map(|finding| &finding.variable).eq(&needed);
        if is_same && self.looked_at.is_some_and(|before| now < before + PERIOD) {
            return 0;
        }
        let before = std::mem::replace(&mut self.findings, inspect(needed));
        self.looked_at = Some(now);
        for finding in self.findings.iter().filter(|finding| !finding.is_right() && !before.contains(finding)) {
            warn!("{finding}");
        }
        let was_right = |variable: &Variable| before.iter().any(|old| old.variable == *variable && old.is_right());
        let mut repairs = 0;
        for finding in self.findings.iter().filter(|finding| finding.is_right() && was_right(&finding.variable)) {
            if let Some(replaced) = &finding.replaced {
                warn!("somebody else has set {} to {replaced}; it is put right", finding.variable.dotted());
                repairs += 1;
            }
        }
        repairs
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use weir_fleet::testing::at;

    use super::*;

    /// A `/proc/sys`, and how often it was looked at.
    #[derive(Default)]
    struct Machine {
        values: BTreeMap<String, String>,
        /// Whether it can be written.
        is_fixed: bool,
        looks: usize,
    }

    fn variable(name: &'static str) -> Variable {
        Variable { name: Cow::Borrowed(name), value: "1", reason: "a test" }
    }

    fn inspect(machine: &RefCell<Machine>) -> impl FnOnce(Vec<Variable>) -> Vec<Finding> {
        |variables| {
            let mut machine = machine.borrow_mut();
            machine.looks += 1;
            let mut look = |variable: Variable| {
                let value = machine.values.get(&*variable.name).cloned().unwrap_or_else(|| "0".to_owned());
                if value == variable.value || machine.is_fixed {
                    return Finding { variable, found: Ok(value), replaced: None, refused: None };
                }
                machine.values.insert(variable.name.to_string(), variable.value.to_owned());
                Finding { found: Ok(variable.value.to_owned()), variable, replaced: Some(value), refused: None }
            };
            variables.into_iter().map(&mut look).collect()
        }
    }

    #[test]
    fn what_somebody_else_sets_is_put_right_and_counted() {
        let machine = RefCell::<Machine>::default();
        let mut variables = Variables::default();
        let mut look = |milliseconds| variables.look(vec![variable("a")], at(milliseconds), inspect(&machine));
        assert_eq!(look(0), 0, "nobody has changed it since it was set");
        machine.borrow_mut().values.insert("a".to_owned(), "0".to_owned());
        assert_eq!(look(9_999), 0, "not yet");
        assert_eq!(look(10_000), 1);
        assert_eq!(look(20_000), 0);
        assert_eq!(machine.borrow().looks, 3);
    }

    #[test]
    fn others_that_are_needed_are_looked_at_at_once() {
        let machine = RefCell::<Machine>::default();
        let mut variables = Variables::default();
        assert_eq!(variables.look(vec![variable("a")], at(0), inspect(&machine)), 0);
        assert_eq!(variables.look(vec![variable("a"), variable("b")], at(1), inspect(&machine)), 0);
        assert_eq!((variables.findings().len(), machine.borrow().looks), (2, 2));
    }

    #[test]
    fn only_what_keeps_everybody_from_being_served_is_a_complaint() {
        let machine = RefCell::new(Machine { is_fixed: true, ..Machine::default() });
        let mut variables = Variables::default();
        variables.look(vec![variable("net/ipv4/vs/expire_nodest_conn")], at(0), inspect(&machine));
        assert_eq!(variables.complaint(), None);
        variables.look(vec![variable("net/ipv4/ip_forward")], at(0), inspect(&machine));
        let expected = "net.ipv4.ip_forward should be 1, or it is not so that a test; it is 0";
        assert_eq!(variables.complaint().as_deref(), Some(expected));
    }
}
