//! What was read, in the terms of `[[kernel.service]]`.

use std::net::IpAddr;
use std::time::Duration;

use weir_checks::check::Kind;

use super::Note;
use crate::model::{PortRange, Protocol};
use crate::settings::Method;

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name, made of what it is known by.
    pub name: String,
    /// The line where it begins, counted from 1.
    pub line: usize,
    /// Its addresses; none when it is known by a mark, and no rule said what the mark stands for.
    pub addresses: Vec<IpAddr>,
    /// Its ports.
    pub ports: Vec<(Protocol, PortRange)>,
    /// The mark that it is known by.
    pub mark: Option<u32>,
    /// How a server is chosen, as the kernel calls it.
    pub scheduler: String,
    /// For how many seconds a client stays with its server.
    pub persistence: Option<u32>,
    /// Bits of an IPv4 address that are alike in clients that stay together.
    pub persistence_prefix: Option<u8>,
    /// Bits of an IPv6 address that are alike in clients that stay together.
    pub persistence_prefix6: Option<u8>,
    /// Whether each datagram is a connection of its own.
    pub one_packet: bool,
    /// How packets come to servers that do not say otherwise.
    pub method: Method,
    /// The UDP port that servers take tunnels of method gue on, if the file says which.
    pub gue_port: Option<u16>,
    /// The server that takes over when too few others are up.
    pub sorry_server: Option<IpAddr>,
    /// How many servers must be up.
    pub quorum: u32,
    /// How many more must be up before the sorry server goes.
    pub hysteresis: u32,
    /// Connections from which a server gets no more.
    pub upper_threshold: u32,
    /// Connections below which a server gets some again.
    pub lower_threshold: u32,
    /// The servers.
    pub servers: Vec<Server>,
    /// How they are checked.
    pub check: Check,
    /// What could not be carried over.
    pub notes: Vec<Note>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its address.
    pub address: IpAddr,
    /// Its weight against the others'.
    pub weight: u32,
    /// How packets come to it.
    pub method: Method,
}

/// How servers are checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// By what.
    pub kind: Kind,
    /// The port, unless it is the service's first TCP port.
    pub port: Option<u16>,
    /// Over TLS.
    pub tls: bool,
    /// The path that is asked for.
    pub path: Option<String>,
    /// The name of the host that is asked for.
    pub host: Option<String>,
    /// The codes that are accepted.
    pub codes: Vec<String>,
    /// What is sent.
    pub send: Option<String>,
    /// What the answer must contain.
    pub receive: Option<String>,
    /// The program, with its arguments.
    pub command: Vec<String>,
    /// How long after one check the next one is.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Option<Duration>,
    /// Successes in a row that make a server up.
    pub rise: Option<u32>,
    /// Failures in a row that make it down.
    pub fall: Option<u32>,
}

impl Service {
    /// A service of which nothing is known but where it begins.
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
            check: Check { kind: Kind::None, ..Check::default() },
            notes: Vec::new(),
        }
    }

    /// Whether a packet could be meant for either of the two.
    pub(super) fn contends_with(&self, other: &Self) -> bool {
        let shares_address = self.addresses.iter().any(|address| other.addresses.contains(address));
        let overlap = |(protocol, range): &(Protocol, PortRange), (other, others): &(Protocol, PortRange)| {
            protocol == other && range.first() <= others.last() && others.first() <= range.last()
        };
        let shares_port = self.ports.iter().any(|ports| other.ports.iter().any(|others| overlap(ports, others)));
        (shares_address && shares_port) || (self.mark.is_some() && self.mark == other.mark)
    }

    /// Notes something, once.
    pub(super) fn note(&mut self, line: usize, what: impl Into<String>, why: impl Into<String>) {
        let note = Note { line, last: line, what: what.into(), why: why.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// The port that servers must have, since Weir changes none: the only one, if there is only one.
    pub(super) fn only_port(&self) -> Option<u16> {
        match self.ports.as_slice() {
            [(_, range)] if range.first() == range.last() => Some(range.first()),
            _ => None,
        }
    }

    /// Says that packets come to a server on the port that clients sent them to, where the file says otherwise.
    pub(super) fn check_server_port(&mut self, line: usize, what: &str, port: u16) {
        let is_other = self.only_port().is_some_and(|expected| expected != port);
        if port != 0 && is_other {
            let why = "a service by mark changes no port: servers must listen on the service's own";
            self.note(line, what, format!("the port {port} was left out: {why}"));
        }
    }
}
