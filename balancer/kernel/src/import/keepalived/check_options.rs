//! Options of health checks, and the names of their blocks.

use std::time::Duration;

use super::statement::Statement;

/// Options for checks, of a virtual server or of one of its real servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CheckOptions<'a> {
    pub(super) interval: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) host: Option<&'a str>,
}

impl<'a> CheckOptions<'a> {
    /// Stores an option. Returns whether it is one for checks, with a valid value.
    pub(super) fn store(&mut self, inner: &'a Statement) -> bool {
        match inner.name() {
            "delay_loop" => self.interval = inner.duration(),
            "connect_timeout" => self.timeout = inner.duration(),
            "retry" => self.retries = inner.number(),
            "virtualhost" => self.host = Some(inner.argument(0)),
            _ => return false,
        }
        match inner.name() {
            "virtualhost" => true,
            "retry" => inner.number().is_some(),
            _ => inner.duration().is_some(),
        }
    }
}

/// Returns whether a block of this name is a check.
pub(super) fn is_checker(name: &str) -> bool {
    name.ends_with("_CHECK") || name.ends_with("_GET")
}
