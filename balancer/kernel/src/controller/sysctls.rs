//! Keeps the required sysctls at their values. Other programs set them too: for example, a package that is upgraded may
//! apply its own.

use std::time::Duration;

use tracing::warn;
use weir_fleet::Time;

use crate::sysctls::{Sysctl, SysctlState};

/// How often the sysctls are read. Each is a small file.
const PERIOD: Duration = Duration::from_secs(10);

/// The required sysctls and their states at the last inspection.
#[derive(Debug, Default)]
pub(super) struct SysctlMonitor {
    states: Vec<SysctlState>,
    inspected_at: Option<Time>,
}

impl SysctlMonitor {
    /// State of each required sysctl.
    pub(super) fn states(&self) -> &[SysctlState] {
        &self.states
    }

    /// The problem that keeps clients from being served, if one of the sysctls does.
    pub(super) fn problem(&self) -> Option<String> {
        let is_essential = |state: &&SysctlState| state.sysctl.is_essential() && !state.is_ok();
        self.states.iter().find(is_essential).map(ToString::to_string)
    }

    /// Inspects the sysctls if it is time to, or if others are required than before, and logs new problems. Returns the
    /// number of sysctls that another program had changed and that have their value again.
    pub(super) fn check(
        &mut self,
        required: Vec<Sysctl>,
        now: Time,
        inspect: impl FnOnce(Vec<Sysctl>) -> Vec<SysctlState>,
    ) -> u64 {
        let is_same = self.states.iter().map(|state| &state.sysctl).eq(&required);
        if is_same && self.inspected_at.is_some_and(|before| now < before + PERIOD) {
            return 0;
        }
        let before = std::mem::replace(&mut self.states, inspect(required));
        self.inspected_at = Some(now);
        for state in self.states.iter().filter(|state| !state.is_ok() && !before.contains(state)) {
            warn!(reason = %state, "sysctl does not have its required value");
        }
        let was_ok = |sysctl: &Sysctl| before.iter().any(|old| old.sysctl == *sysctl && old.is_ok());
        let mut repairs = 0;
        for state in self.states.iter().filter(|state| state.is_ok() && was_ok(&state.sysctl)) {
            if let Some(replaced) = &state.replaced {
                let (sysctl, value) = (state.sysctl.dotted(), state.sysctl.value);
                warn!(%sysctl, found = %replaced, %value, "external change to sysctl detected; reverted");
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

    /// A simulated `/proc/sys`.
    #[derive(Default)]
    struct Machine {
        values: BTreeMap<String, String>,
        is_read_only: bool,
        inspections: usize,
    }

    fn sysctl(name: &'static str) -> Sysctl {
        Sysctl { name: Cow::Borrowed(name), value: "1", purpose: "tests" }
    }

    fn inspect(machine: &RefCell<Machine>) -> impl FnOnce(Vec<Sysctl>) -> Vec<SysctlState> {
        |sysctls| {
            let mut machine = machine.borrow_mut();
            machine.inspections += 1;
            let mut inspect = |sysctl: Sysctl| {
                let value = machine.values.get(&*sysctl.name).cloned().unwrap_or_else(|| "0".to_owned());
                if value == sysctl.value || machine.is_read_only {
                    return SysctlState { sysctl, actual: Ok(value), replaced: None, set_error: None };
                }
                machine.values.insert(sysctl.name.to_string(), sysctl.value.to_owned());
                SysctlState { actual: Ok(sysctl.value.to_owned()), sysctl, replaced: Some(value), set_error: None }
            };
            sysctls.into_iter().map(&mut inspect).collect()
        }
    }

    #[test]
    fn external_changes_are_reverted_and_counted() {
        let machine = RefCell::<Machine>::default();
        let mut monitor = SysctlMonitor::default();
        let mut check = |milliseconds| monitor.check(vec![sysctl("a")], at(milliseconds), inspect(&machine));
        assert_eq!(check(0), 0, "the initial value is not an external change");
        machine.borrow_mut().values.insert("a".to_owned(), "0".to_owned());
        assert_eq!(check(9_999), 0, "not yet inspected again");
        assert_eq!(check(10_000), 1);
        assert_eq!(check(20_000), 0);
        assert_eq!(machine.borrow().inspections, 3);
    }

    #[test]
    fn newly_required_sysctls_are_inspected_at_once() {
        let machine = RefCell::<Machine>::default();
        let mut monitor = SysctlMonitor::default();
        assert_eq!(monitor.check(vec![sysctl("a")], at(0), inspect(&machine)), 0);
        assert_eq!(monitor.check(vec![sysctl("a"), sysctl("b")], at(1), inspect(&machine)), 0);
        assert_eq!((monitor.states().len(), machine.borrow().inspections), (2, 2));
    }

    #[test]
    fn only_essential_sysctls_are_a_problem() {
        let machine = RefCell::new(Machine { is_read_only: true, ..Machine::default() });
        let mut monitor = SysctlMonitor::default();
        monitor.check(vec![sysctl("net/ipv4/vs/expire_nodest_conn")], at(0), inspect(&machine));
        assert_eq!(monitor.problem(), None);
        monitor.check(vec![sysctl("net/ipv4/ip_forward")], at(0), inspect(&machine));
        let expected = "sysctl net.ipv4.ip_forward is 0, expected 1 (tests)";
        assert_eq!(monitor.problem().as_deref(), Some(expected));
    }
}
