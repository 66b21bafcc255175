//! Whether the balancer can do its work.

use std::time::Duration;

use crate::fleet::selector::is_available;
use crate::fleet::{Snapshot, Time};

/// One line for people: how many edges take clients.
///
/// # Errors
/// One line that says why no client can be sent anywhere.
pub(super) fn ready(snapshot: &Snapshot, now: Time, timeout: Duration) -> Result<String, String> {
    let known = snapshot.edges.len();
    let available = snapshot.edges.iter().filter(|edge| is_available(edge, now, timeout)).count();
    match (known, available) {
        (0, _) => Err("not ready: no edge has reported yet\n".to_owned()),
        (_, 0) => Err(format!("not ready: none of {known} edges takes clients\n")),
        _ => Ok(format!("ready: {available} of {known} edges take clients\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fleet::Edge;
    use crate::fleet::tests::{ANYWHERE, SOURCE, at, id, report};

    #[test]
    fn readiness_is_that_some_edge_takes_clients() {
        let timeout = Duration::from_secs(5);
        let nobody = Snapshot::default();
        assert_eq!(ready(&nobody, at(0), timeout), Err("not ready: no edge has reported yet\n".to_owned()));
        let edge = Arc::new(Edge::new(id(1), &report(), SOURCE, &ANYWHERE, at(0).into()));
        let one = Snapshot { edges: [edge].into() };
        assert_eq!(ready(&one, at(5000), timeout), Ok("ready: 1 of 1 edges take clients\n".to_owned()));
        assert_eq!(ready(&one, at(5001), timeout), Err("not ready: none of 1 edges takes clients\n".to_owned()));
    }
}
