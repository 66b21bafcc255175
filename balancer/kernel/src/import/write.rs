//! Writes services as TOML, with a comment for each line that could not be imported as it is.

use std::fmt::Write as _;
use std::time::Duration;

use weir_checks::check::ProbeKind;

use super::{Check, Imported, Note, Server, Service};
use crate::model::Protocol;

impl Imported {
    /// The sections of `weir.toml`. `source` is the name of the imported file.
    #[must_use]
    pub fn to_toml(&self, source: &str) -> String {
        let mut out = format!("# Imported from {}.\n", comment(source));
        notes(&mut out, &self.notes);
        if let Some(on_exit) = self.on_exit {
            out += &format!("\n[kernel]\non_exit = \"{}\"\n", on_exit.name());
        }
        self.services.iter().for_each(|service| write_service(&mut out, service));
        out
    }
}

fn write_service(out: &mut String, service: &Service) {
    *out += "\n[[kernel.service]]\n";
    notes(out, &service.notes);
    text(out, "name", &service.name);
    if service.addresses.is_empty() {
        *out += "# Add the addresses and ports for which the packet filter sets this mark, and remove its rules.\n";
    }
    list(out, "addresses", service.addresses.iter().map(ToString::to_string));
    for (protocol, key) in [(Protocol::Tcp, "tcp"), (Protocol::Udp, "udp")] {
        let mut ports = service.ports.iter().filter(|(other, _)| *other == protocol).peekable();
        if ports.peek().is_some() {
            list(out, key, ports.map(|(_, range)| range.to_string()));
        }
    }
    number(out, "mark", service.mark);
    text(out, "scheduler", &service.scheduler);
    duration(out, "persistence", service.persistence.map(|seconds| Duration::from_secs(seconds.into())));
    number(out, "persistence_prefix", service.persistence_prefix);
    number(out, "persistence_prefix6", service.persistence_prefix6);
    if service.one_packet {
        *out += "one_packet = true\n";
    }
    text(out, "method", service.method.name());
    number(out, "gue_port", service.gue_port);
    number(out, "upper_threshold", Some(service.upper_threshold).filter(|limit| *limit > 0));
    number(out, "lower_threshold", Some(service.lower_threshold).filter(|limit| *limit > 0));
    if let Some(address) = service.sorry_server {
        text(out, "sorry_server", &address.to_string());
    }
    number(out, "quorum", Some(service.quorum).filter(|quorum| *quorum != 1));
    number(out, "hysteresis", Some(service.hysteresis).filter(|more| *more > 0));
    let has_weights = has_weights(&service.servers);
    for server in &service.servers {
        *out += "\n[[kernel.service.server]]\n";
        text(out, "address", &server.address.to_string());
        number(out, "weight", Some(server.weight).filter(|_| has_weights));
        if server.method != service.method {
            text(out, "method", server.method.name());
        }
    }
    write_check(out, &service.check);
}

/// Returns whether the servers have different weights. Equal weights are not written.
fn has_weights(servers: &[Server]) -> bool {
    servers.iter().any(|server| servers.first().is_some_and(|first| first.weight != server.weight))
}

fn write_check(out: &mut String, check: &Check) {
    *out += "\n[kernel.service.check]\n";
    text(out, "kind", &check.kind.to_string());
    if check.kind == ProbeKind::None {
        return;
    }
    number(out, "port", check.port);
    if check.tls {
        *out += "tls = true\n";
        if check.host.is_some() {
            // The other programs do not verify certificates.
            *out += "verify = false\n";
        }
    }
    for (key, value) in
        [("path", &check.path), ("host", &check.host), ("send", &check.send), ("receive", &check.receive)]
    {
        if let Some(value) = value {
            text(out, key, value);
        }
    }
    if !check.codes.is_empty() {
        list(out, "codes", check.codes.iter().cloned());
    }
    if !check.command.is_empty() {
        list(out, "command", check.command.iter().cloned());
    }
    duration(out, "interval", check.interval);
    duration(out, "timeout", check.timeout);
    number(out, "rise", check.rise);
    number(out, "fall", check.fall);
}

fn notes(out: &mut String, notes: &[Note]) {
    for Note { line, last, text, reason } in notes {
        let lines = if last > line { format!("lines {line} to {last}") } else { format!("line {line}") };
        let _ = writeln!(out, "# {lines}: `{}`: {}", comment(text), comment(reason));
    }
}

/// Text for a comment, without line breaks and control characters, which a terminal would interpret.
fn comment(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn text(out: &mut String, key: &str, value: &str) {
    // Writing to a string cannot fail; so below.
    let _ = writeln!(out, "{key} = {}", quoted(value));
}

/// A basic string of TOML on one line.
fn quoted(value: &str) -> String {
    let mut out = String::from('"');
    for character in value.chars() {
        match character {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            character if character.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out + "\""
}

fn list(out: &mut String, key: &str, values: impl Iterator<Item = String>) {
    let values: Vec<String> = values.map(|value| quoted(&value)).collect();
    let _ = writeln!(out, "{key} = [{}]", values.join(", "));
}

fn number<T: std::fmt::Display>(out: &mut String, key: &str, value: Option<T>) {
    if let Some(value) = value {
        let _ = writeln!(out, "{key} = {value}");
    }
}

fn duration(out: &mut String, key: &str, value: Option<Duration>) {
    if let Some(value) = value {
        text(out, key, &duration_text(value));
    }
}

/// A duration in the configuration's notation, such as `7s` or `500ms`.
pub(super) fn duration_text(value: Duration) -> String {
    match value.subsec_millis() {
        0 => format!("{}s", value.as_secs()),
        _ => format!("{}ms", value.as_millis()),
    }
}
