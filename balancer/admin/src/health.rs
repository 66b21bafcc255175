//! Whether the balancer can do its work.

use weir_fleet::{DISCOVERY_INTERVALS, Snapshot, Time};

/// One line for people: how many edges take clients.
///
/// # Errors
/// One line that says why no client should be sent here.
pub(super) fn ready(snapshot: &Snapshot, now: Time) -> Result<String, String> {
    let known = snapshot.edges.len();
    let forecast = snapshot.forecast(now);
    let available = snapshot.edges.iter().filter(|edge| edge.load.expect(&forecast).is_ok()).count();
    // An edge that reports less often than it is believed does not keep the others' clients waiting.
    let longest =
        snapshot.edges.iter().map(|edge| edge.load.interval()).max().unwrap_or_default().min(forecast.timeout());
    match (known, available) {
        (0, _) => Err("not ready: no edge has reported yet\n".to_owned()),
        (_, 0) => Err(format!("not ready: none of {known} edges takes clients\n")),
        // Clients who came before every edge is known would all go to the first edges heard.
        _ if now - Time::ORIGIN < DISCOVERY_INTERVALS * longest => {
            Err(format!("not ready: started just now, {known} edges are known so far\n"))
        }
        _ if forecast.is_isolated() => Ok(format!(
            "ready: {available} of {known} edges take clients, but none is heard: is this machine cut off?\n"
        )),
        _ => Ok(format!("ready: {available} of {known} edges take clients\n")),
    }
}

#[cfg(test)]
mod tests {
    use weir_fleet::FleetSettings;
    use weir_fleet::testing::{at, report, snapshot_on};

    use super::*;

    #[test]
    fn readiness_is_that_some_edge_takes_clients_once_all_can_be_known() {
        assert_eq!(ready(&Snapshot::default(), at(0)), Err("not ready: no edge has reported yet\n".to_owned()));
        let one = snapshot_on(&FleetSettings::default(), &[report()]);
        assert_eq!(ready(&one, at(4999)), Err("not ready: started just now, 1 edges are known so far\n".to_owned()));
        assert_eq!(ready(&one, at(5000)), Ok("ready: 1 of 1 edges take clients\n".to_owned()));
        assert_eq!(ready(&one, at(5001)), Err("not ready: none of 1 edges takes clients\n".to_owned()));
    }
}
