//! How the state of an agent is shown to people and scripts.

use std::fmt::Write as _;

use weir_edge_agent::control::{Report, TargetReport};

/// One line: the edge and its state.
pub(crate) fn edge(report: &Report) -> String {
    let mut line = format!("edge {}: {}", report.edge, report.status);
    if !report.reasons.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, " ({})", report.reasons.join(", "));
    }
    if let Some(left) = report.drain_deadline {
        let _ = write!(line, ", empty within {}", seconds(left));
    }
    line
}

/// The edge, and a line for each balancer.
pub(crate) fn table(report: &Report) -> String {
    let connections = report.connections.map_or("unknown".to_owned(), |count| count.to_string());
    let mut table = format!("{}\nconnections: {connections}\n\n", edge(report));
    let _ = write!(table, "{:<28} {:<20} {:<12} {:<12} TROUBLE", "TARGET", "BALANCER", "ACKED", "ROUND TRIP");
    for target in &report.targets {
        let TargetReport { target, balancer, acked, round_trip, error } = target;
        let acked = acked.map_or("never".to_owned(), |age| format!("{} ago", seconds(age)));
        let round_trip =
            round_trip.map_or(String::new(), |micros| format!("{}.{:03} ms", micros / 1000, micros % 1000));
        let balancer = balancer.as_deref().unwrap_or("?");
        let trouble = error.as_deref().unwrap_or("");
        let line = format!("{target:<28} {balancer:<20} {acked:<12} {round_trip:<12} {trouble}");
        let _ = write!(table, "\n{}", line.trim_end());
    }
    table
}

/// Everything, for scripts.
pub(crate) fn json(report: &Report) -> String {
    // Strings and numbers can always be written.
    serde_json::to_string_pretty(report).unwrap_or_default()
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_the_edge_and_each_balancer() {
        let target = TargetReport {
            target: "lb1:1934".to_owned(),
            balancer: Some("lb1".to_owned()),
            acked: Some(1234),
            round_trip: Some(450),
            error: None,
        };
        let silent =
            TargetReport { target: "lb2:1934".to_owned(), error: Some("refused".to_owned()), ..target.clone() };
        let silent = TargetReport { balancer: None, acked: None, round_trip: None, ..silent };
        let report = Report {
            edge: "E".to_owned(),
            status: "draining".to_owned(),
            reasons: vec!["operator".to_owned(), "health".to_owned()],
            drain_deadline: Some(90_000),
            connections: Some(12),
            targets: vec![target, silent],
        };
        assert_eq!(
            table(&report),
            "edge E: draining (operator, health), empty within 90.0 s\n\
             connections: 12\n\n\
             TARGET                       BALANCER             ACKED        ROUND TRIP   TROUBLE\n\
             lb1:1934                     lb1                  1.2 s ago    0.450 ms\n\
             lb2:1934                     ?                    never                     refused"
        );
    }
}
