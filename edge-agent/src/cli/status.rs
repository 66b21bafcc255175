//! `weir-agent status`.

use std::fmt::Write as _;

use clap::Args;
use weir_edge_agent::control::{AgentStatus, ControlRequest, TargetStatus};
use weir_program::{Outcome, say};

use super::StateFolder;

#[derive(Args, Debug)]
pub(super) struct Status {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: StateFolder,
}

/// Prints the status of the agent.
pub(super) async fn run(arguments: Status) -> Outcome {
    let status = arguments.folder.send(ControlRequest::Status).await?;
    say(if arguments.json { json(&status) } else { table(&status) });
    Ok(())
}

/// Returns the state of the edge as one line.
pub(super) fn line(status: &AgentStatus) -> String {
    let mut line = format!("edge {}: {}", status.edge, status.status);
    if !status.reasons.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(line, " ({})", status.reasons.join(", "));
    }
    if let Some(left) = status.drain_deadline_ms {
        let _ = write!(line, ", deadline in {}", seconds(left));
    }
    line
}

/// Returns the state of the edge, and a table of the balancers.
fn table(status: &AgentStatus) -> String {
    let connections = status.connections.map_or("unknown".to_owned(), |count| count.to_string());
    let mut table = format!("{}\nconnections: {connections}\n\n", line(status));
    let _ = write!(table, "{:<28} {:<20} {:<12} {:<12} ERROR", "TARGET", "BALANCER", "LAST ACK", "ROUND TRIP");
    for target in &status.targets {
        let TargetStatus { target, balancer, last_ack_ms, round_trip_us, error } = target;
        let last_ack = last_ack_ms.map_or("never".to_owned(), |age| format!("{} ago", seconds(age)));
        let round_trip = round_trip_us.map_or(String::new(), |time| format!("{}.{:03} ms", time / 1000, time % 1000));
        let balancer = balancer.as_deref().unwrap_or("?");
        let error = error.as_deref().unwrap_or("");
        let line = format!("{target:<28} {balancer:<20} {last_ack:<12} {round_trip:<12} {error}");
        let _ = write!(table, "\n{}", line.trim_end());
    }
    table
}

/// Returns the status as JSON.
fn json(status: &AgentStatus) -> String {
    // Strings and numbers can always be serialised.
    serde_json::to_string_pretty(status).unwrap_or_default()
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_the_edge_and_each_balancer() {
        let target = TargetStatus {
            target: "lb1:1934".to_owned(),
            balancer: Some("lb1".to_owned()),
            last_ack_ms: Some(1234),
            round_trip_us: Some(450),
            error: None,
        };
        let silent = TargetStatus {
            target: "lb2:1934".to_owned(),
            balancer: None,
            last_ack_ms: None,
            round_trip_us: None,
            error: Some("refused".to_owned()),
        };
        let status = AgentStatus {
            edge: "E".to_owned(),
            status: "draining".to_owned(),
            reasons: vec!["operator".to_owned(), "health".to_owned()],
            drain_deadline_ms: Some(90_000),
            connections: Some(12),
            targets: vec![target, silent],
        };
        assert_eq!(
            table(&status),
            "edge E: draining (operator, health), deadline in 90.0 s\n\
             connections: 12\n\n\
             TARGET                       BALANCER             LAST ACK     ROUND TRIP   ERROR\n\
             lb1:1934                     lb1                  1.2 s ago    0.450 ms\n\
             lb2:1934                     ?                    never                     refused"
        );
    }
}
