//! Adjusts health checks: keys that the kind of probe does not use, and values out of range.

use std::time::Duration;

use weir_checks::check::ProbeKind;
use weir_checks::check::section::{
    INTERVAL, MAX_CONSECUTIVE, MAX_TEXT, TIMEOUT, is_host, is_path, is_program, is_text,
};

use super::super::write::duration_text;
use super::super::{Check, Service};
use crate::model::{PortRange, Protocol};

/// Adjusts the check of a service.
pub(super) fn adjust(service: &mut Service) {
    let mut check = std::mem::take(&mut service.check);
    if check.kind == ProbeKind::Exec && !check.command.first().is_some_and(|program| is_program(program)) {
        check.kind = ProbeKind::None;
        let command = std::mem::take(&mut check.command).join(" ");
        let reason = "not checked: give the absolute path of the program in `command`, and set kind = \"exec\"";
        service.note(service.line, command, reason);
    }
    remove_unused_keys(service, &mut check);
    remove_invalid_values(service, &mut check);
    limit_timing(service, &mut check);
    service.check = check;
}

/// Removes keys that the configuration rejects for this kind of probe.
fn remove_unused_keys(service: &mut Service, check: &mut Check) {
    let Check { kind, tls, .. } = *check;
    let mut unused: Vec<(&str, String)> = Vec::new();
    if tls && !kind.uses("tls", tls) {
        check.tls = false;
        unused.push(("tls", String::new()));
    }
    let texts = [
        ("path", &mut check.path),
        ("host", &mut check.host),
        ("send", &mut check.send),
        ("receive", &mut check.receive),
    ];
    for (key, text) in texts {
        let taken = text.take_if(|_| !kind.uses(key, check.tls));
        unused.extend(taken.map(|text| (key, text)));
    }
    for (key, list) in [("codes", &mut check.codes), ("command", &mut check.command)] {
        if !list.is_empty() && !kind.uses(key, check.tls) {
            unused.push((key, std::mem::take(list).join(" ")));
        }
    }
    for (key, value) in unused {
        let reason = format!("left out: not used by checks of kind {kind}");
        service.note(service.line, format!("{key} {value}").trim(), reason);
    }
}

/// Removes values that the configuration rejects.
fn remove_invalid_values(service: &mut Service, check: &mut Check) {
    let line = service.line;
    for (key, text) in [("send", &mut check.send), ("receive", &mut check.receive)] {
        if text.take_if(|text| !is_text(text)).is_some() {
            service.note(line, key, format!("left out: expected 1 to {MAX_TEXT} bytes"));
        }
    }
    if let Some(path) = check.path.take_if(|path| !is_path(path)) {
        service.note(line, path, "left out: not a percent-encoded path");
    }
    if let Some(host) = check.host.take_if(|host| !is_host(host)) {
        service.note(line, host, "left out: expected a host name without a port");
    }
}

/// Limits interval, time limit and thresholds to their ranges.
fn limit_timing(service: &mut Service, check: &mut Check) {
    let line = service.line;
    for (key, value, (min, max)) in
        [("interval", &mut check.interval, INTERVAL), ("timeout", &mut check.timeout, TIMEOUT)]
    {
        let [min, max] = [min, max].map(Duration::from_millis);
        let Some(given) = *value else { continue };
        let limited = given.clamp(min, max);
        if limited != given {
            let reason = format!("{} is out of range; changed to {}", duration_text(given), duration_text(limited));
            service.note(line, key, reason);
            *value = Some(limited);
        }
    }
    let max = u32::try_from(MAX_CONSECUTIVE).unwrap_or(u32::MAX);
    for (key, value) in [("rise", &mut check.rise), ("fall", &mut check.fall)] {
        let Some(given) = *value else { continue };
        let limited = given.clamp(1, max);
        if limited != given {
            service.note(line, key, format!("{given} is out of range; changed to {limited}"));
            *value = Some(limited);
        }
    }
}

/// Sets the port to check where the configuration's default is another one, or none. The other programs check each
/// server at its own port, whatever the protocol of the service.
pub(super) fn set_port(service: &mut Service) {
    let Check { kind, port, .. } = service.check;
    let Some((_, first)) = service.ports.first().filter(|_| kind != ProbeKind::None && port.is_none()) else { return };
    let protocol = if kind == ProbeKind::Udp { Protocol::Udp } else { Protocol::Tcp };
    let of_protocol = || service.ports.iter().filter(|(other, _)| *other == protocol).map(|(_, range)| *range);
    let is_one = |range: &PortRange| range.first() == range.last();
    let one = of_protocol().find(is_one).or(service.ports.iter().map(|(_, range)| *range).find(is_one));
    if let Some(one) = one {
        service.check.port = Some(one.first()).filter(|_| of_protocol().next() != Some(one));
    } else if kind == ProbeKind::Exec {
        service.check.port = Some(first.first());
    } else {
        let text = format!("ports {first}");
        service.check = Check { kind: ProbeKind::None, ..Check::default() };
        let reason = format!("not checked: the port to check is not known; set kind = \"{kind}\" and `port`");
        service.note(service.line, text, reason);
    }
}
