//! Whether the balancer can serve clients.

use weir_fleet::{DISCOVERY_INTERVALS, Snapshot, Time};

/// Returns a line that says how many edges accept clients.
///
/// # Errors
/// A line that says why this balancer should get no clients.
pub(crate) fn readiness(snapshot: &Snapshot, now: Time) -> Result<String, String> {
    let edges = snapshot.edges.len();
    let forecast = snapshot.forecast(now);
    let available = snapshot.edges.iter().filter(|edge| edge.load.expect(&forecast).is_ok()).count();
    // An edge whose interval exceeds the timeout must not delay readiness.
    let longest =
        snapshot.edges.iter().map(|edge| edge.load.interval()).max().unwrap_or_default().min(forecast.timeout());
    match (edges, available) {
        (0, _) => Err("not ready: no edge has reported yet\n".to_owned()),
        (_, 0) => Err(format!("not ready: 0 of {edges} edges accept clients\n")),
        // Earlier clients would all be sent to the edges that happened to report first.
        _ if now - Time::ORIGIN < DISCOVERY_INTERVALS * longest => {
            Err(format!("not ready: discovering edges, {edges} so far\n"))
        }
        _ if forecast.is_isolated() => Ok(format!(
            "ready: {available} of {edges} edges accept clients, but no reports arrive; is this machine isolated?\n"
        )),
        _ => Ok(format!("ready: {available} of {edges} edges accept clients\n")),
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::FleetSettings;
    use weir_fleet::testing::{at, report, snapshot_on};

    use super::*;

    #[test]
    fn a_balancer_is_ready_once_it_has_discovered_the_edges_and_one_accepts_clients() {
        assert_eq!(readiness(&Snapshot::default(), at(0)), Err("not ready: no edge has reported yet\n".to_owned()));
        let one = snapshot_on(&FleetSettings::default(), &[report()]);
        assert_eq!(readiness(&one, at(4999)), Err("not ready: discovering edges, 1 so far\n".to_owned()));
        assert_eq!(readiness(&one, at(5000)), Ok("ready: 1 of 1 edges accept clients\n".to_owned()));
        assert_eq!(readiness(&one, at(5001)), Err("not ready: 0 of 1 edges accept clients\n".to_owned()));
    }
}
