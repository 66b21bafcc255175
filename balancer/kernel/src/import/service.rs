//! Services that were read, with the keys of `[[kernel.service]]`.

use std::net::IpAddr;
use std::time::Duration;

use weir_checks::check::ProbeKind;

use super::Note;
use crate::model::{PortRange, Protocol};
use crate::settings::Method;

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Name, from its address and port or its mark.
    pub name: String,
    /// Number of its first line, from 1.
    pub line: usize,
    /// Virtual addresses. Empty if the service has a mark, and the rules that set the mark are not known.
    pub addresses: Vec<IpAddr>,
    /// Ports.
    pub ports: Vec<(Protocol, PortRange)>,
    /// Firewall mark.
    pub mark: Option<u32>,
    /// Scheduler, by its name in the kernel.
    pub scheduler: String,
    /// Time that a client stays with its server, in seconds.
    pub persistence: Option<u32>,
    /// Prefix length of IPv4 clients that stay together.
    pub persistence_prefix: Option<u8>,
    /// Prefix length of IPv6 clients that stay together.
    pub persistence_prefix6: Option<u8>,
    /// Whether each datagram is scheduled separately.
    pub one_packet: bool,
    /// Forwarding method of servers that have no other.
    pub method: Method,
    /// UDP port for method gue, if the file sets it.
    pub gue_port: Option<u16>,
    /// Sorry server.
    pub sorry_server: Option<IpAddr>,
    /// Number of servers that must be up.
    pub quorum: u32,
    /// Number of servers in addition to the quorum that must be up before the sorry server is drained.
    pub hysteresis: u32,
    /// Number of connections above which a server gets no new ones; 0 for no limit.
    pub upper_threshold: u32,
    /// Number of connections below which a server gets new ones again.
    pub lower_threshold: u32,
    /// Real servers.
    pub servers: Vec<Server>,
    /// Health check of the servers.
    pub check: Check,
    /// Lines that could not be imported as they are.
    pub notes: Vec<Note>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Number of its line, from 1.
    pub line: usize,
    /// Address.
    pub address: IpAddr,
    /// Weight.
    pub weight: u32,
    /// Forwarding method.
    pub method: Method,
}

/// A health check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// Kind of probe.
    pub kind: ProbeKind,
    /// Port; by default the service's first TCP port.
    pub port: Option<u16>,
    /// Whether to use TLS.
    pub tls: bool,
    /// Path of the request.
    pub path: Option<String>,
    /// Host name of the request.
    pub host: Option<String>,
    /// Accepted status codes.
    pub codes: Vec<String>,
    /// Text to send.
    pub send: Option<String>,
    /// Text that the response must contain.
    pub receive: Option<String>,
    /// Program with its arguments.
    pub command: Vec<String>,
    /// Time between two checks.
    pub interval: Option<Duration>,
    /// Time limit of a check.
    pub timeout: Option<Duration>,
    /// Number of consecutive successes that bring a server up.
    pub rise: Option<u32>,
    /// Number of consecutive failures that take a server down.
    pub fall: Option<u32>,
}

impl Service {
    /// A service with default values.
    pub(super) fn new(name: String, line: usize) -> Self {
        Self {
            name,
            line,
            addresses: Vec::new(),
            ports: Vec::new(),
            mark: None,
            scheduler: "wlc".to_owned(),
            persistence: None,
            persistence_prefix: None,
            persistence_prefix6: None,
            one_packet: false,
            method: Method::default(),
            gue_port: None,
            sorry_server: None,
            quorum: 1,
            hysteresis: 0,
            upper_threshold: 0,
            lower_threshold: 0,
            servers: Vec::new(),
            check: Check { kind: ProbeKind::None, ..Check::default() },
            notes: Vec::new(),
        }
    }

    /// Returns whether the services have a common endpoint or the same mark.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let shares_address = self.addresses.iter().any(|address| other.addresses.contains(address));
        let overlap = |(protocol, range): &(Protocol, PortRange), (other, others): &(Protocol, PortRange)| {
            protocol == other && range.first() <= others.last() && others.first() <= range.last()
        };
        let shares_port = self.ports.iter().any(|ports| other.ports.iter().any(|others| overlap(ports, others)));
        (shares_address && shares_port) || (self.mark.is_some() && self.mark == other.mark)
    }

    /// Adds a note, unless there is the same already.
    pub(super) fn note(&mut self, line: usize, text: impl Into<String>, reason: impl Into<String>) {
        let note = Note { line, last: line, text: text.into(), reason: reason.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The port of the service, if it has only one. Weir does not translate ports, so servers must have the same.
    pub(super) fn only_port(&self) -> Option<u16> {
        match self.ports.as_slice() {
            [(_, range)] if range.first() == range.last() => Some(range.first()),
            _ => None,
        }
    }

    /// Notes a server port that differs from the port of the service.
    pub(super) fn check_server_port(&mut self, line: usize, text: &str, port: u16) {
        let is_other = self.only_port().is_some_and(|expected| expected != port);
        if port != 0 && is_other {
            let reason = "services with a mark do not translate ports; servers must listen on the ports of the service";
            self.note(line, text, format!("port {port} left out: {reason}"));
        }
    }
}
