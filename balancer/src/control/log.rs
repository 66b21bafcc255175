//! Log lines about edges. Each has the GUID and the redirect address of the edge, so that either can be searched for.

use std::net::IpAddr;

use tracing::field::display;
use tracing::{info, warn};
use weir_fleet::{Change, State};
use weir_protocol::{Action, Command, EdgeId, Report};

/// An edge, as it is shown in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoggedEdge<'a> {
    pub(super) id: EdgeId,
    /// Its redirect address, where known.
    pub(super) address: Option<&'a str>,
    /// The source address of its report, for events that a report caused.
    pub(super) source: Option<IpAddr>,
}

/// Returns the redirect address of an edge: the reported one, or else the source of the report.
pub(super) fn redirect_address(report: &Report<'_>, source: IpAddr) -> String {
    report.redirect.map_or_else(|| source.to_string(), |host| host.as_str().to_owned())
}

/// Logs a change of an edge.
pub(super) fn change(edge: LoggedEdge<'_>, change: Change) {
    let LoggedEdge { id, address, source } = edge;
    let (address, source) = (address.map(display), source.map(display));
    match change {
        Change::Joined => info!(edge = %id, address, source, "edge joined"),
        Change::Disallowed => {
            warn!(
                edge = %id, address, source,
                "edge rejected: a host that it advertises is outside [redirect] hosts and networks, or no client can connect to it"
            );
        }
        Change::Duplicate(other) => warn!(
            edge = %id, address, source, %other,
            "duplicate GUID: another sender reports as this edge and is rejected; remove the GUID file of the copied installation"
        ),
        Change::State(State::TimedOut) => warn!(edge = %id, address, "edge timed out"),
        Change::State(state) => info!(edge = %id, address, state = %state.name(), "edge state changed"),
        Change::Forgotten => info!(edge = %id, address, "edge forgotten: no report within forget_after"),
    }
}

/// Logs that the agent of an edge has restarted.
pub(super) fn restarted(edge: LoggedEdge<'_>) {
    let LoggedEdge { id, address, source } = edge;
    info!(edge = %id, address = address.map(display), source = source.map(display), "edge restarted");
}

/// Logs that a command was queued, to be delivered with the next acks.
pub(super) fn queued(edge: LoggedEdge<'_>, Command { id, action, .. }: Command) {
    let (guid, address) = (edge.id, edge.address.map(display));
    let (command, deadline) = (action.name(), deadline(action).map(display));
    info!(edge = %guid, address, %command, deadline, id = %hexadecimal(id), "command queued");
}

/// Logs that a command is for an edge that has not reported.
pub(super) fn rejected(edge: EdgeId, action: Action) {
    info!(%edge, command = %action.name(), "command rejected: unknown edge");
}

/// Logs that an edge has confirmed a command.
pub(super) fn confirmed(edge: LoggedEdge<'_>, Command { id, action, .. }: Command) {
    let (guid, address) = (edge.id, edge.address.map(display));
    info!(edge = %guid, address, command = %action.name(), id = %hexadecimal(id), "command confirmed");
}

/// Logs that an edge has not confirmed a command in time.
pub(super) fn expired(edge: LoggedEdge<'_>, action: Action) {
    let (guid, address) = (edge.id, edge.address.map(display));
    warn!(edge = %guid, address, command = %action.name(), "command not confirmed within command_timeout; dropped");
}

/// The id of a command, as the API returns it.
fn hexadecimal(id: u64) -> String {
    format!("{id:016x}")
}

/// The time until the deadline of a drain, such as `600s`.
fn deadline(action: Action) -> Option<String> {
    match action {
        Action::Drain { deadline } => deadline.map(|deadline| format!("{deadline:?}")),
        Action::Pause | Action::Unpause => None,
    }
}
