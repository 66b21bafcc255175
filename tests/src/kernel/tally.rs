//! Counts by server.

use std::collections::BTreeMap;
use std::fmt;

/// Number of clients, connections or datagrams by server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, usize>);

impl Tally {
    /// The count of this server.
    #[must_use]
    pub fn of(&self, server: &str) -> usize {
        self.0.get(server).copied().unwrap_or_default()
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// The servers with a count.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl<S: Into<String>> FromIterator<S> for Tally {
    fn from_iter<I: IntoIterator<Item = S>>(servers: I) -> Self {
        let mut tally = Self::default();
        for server in servers {
            *tally.0.entry(server.into()).or_default() += 1;
        }
        tally
    }
}

/// For example `server1 30, server2 10`.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("no server");
        }
        let counts: Vec<String> = self.0.iter().map(|(server, count)| format!("{server} {count}")).collect();
        formatter.write_str(&counts.join(", "))
    }
}
