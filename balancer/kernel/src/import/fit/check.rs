//! Fits how servers are checked: keys that mean nothing for the kind of check, and values out of their range.

use std::time::Duration;

use weir_checks::check::Kind;
use weir_checks::check::written::{INTERVAL, MAX_TEXT, MOST_IN_A_ROW, TIMEOUT, is_host, is_path, is_program, is_text};

use super::super::{Check, Service};
use crate::model::{PortRange, Protocol};

/// Fits a service's check.
pub(super) fn fit(service: &mut Service) {
    let mut check = std::mem::take(&mut service.check);
    if check.kind == Kind::Exec && !check.command.first().is_some_and(|program| is_program(program)) {
        check.kind = Kind::None;
        let command = std::mem::take(&mut check.command).join(" ");
        let why = "no check: name the program by its absolute path, and set kind = \"exec\"";
        service.note(service.line, command, why);
    }
    take_out_meaningless(service, &mut check);
    fit_values(service, &mut check);
    fit_pace(service, &mut check);
    service.check = check;
}

/// Takes out keys that the configuration would refuse for this kind of check.
fn take_out_meaningless(service: &mut Service, check: &mut Check) {
    let Check { kind, tls, .. } = *check;
    let mut meaningless: Vec<(&str, String)> = Vec::new();
    if tls && !kind.heeds("tls", tls) {
        check.tls = false;
        meaningless.push(("tls", String::new()));
    }
    let texts = [
        ("path", &mut check.path),
        ("host", &mut check.host),
        ("send", &mut check.send),
        ("receive", &mut check.receive),
    ];
    for (key, text) in texts {
        let taken = text.take_if(|_| !kind.heeds(key, check.tls));
        meaningless.extend(taken.map(|text| (key, text)));
    }
    for (key, list) in [("codes", &mut check.codes), ("command", &mut check.command)] {
        if !list.is_empty() && !kind.heeds(key, check.tls) {
            meaningless.push((key, std::mem::take(list).join(" ")));
        }
    }
    for (key, value) in meaningless {
        let why = format!("left out: it means nothing for a check of kind {kind}");
        service.note(service.line, format!("{key} {value}").trim(), why);
    }
}

/// Takes out values that the configuration would refuse.
fn fit_values(service: &mut Service, check: &mut Check) {
    let line = service.line;
    for (key, text) in [("send", &mut check.send), ("receive", &mut check.receive)] {
        if text.take_if(|text| !is_text(text)).is_some() {
            service.note(line, key, format!("left out: expected 1 to {MAX_TEXT} bytes"));
        }
    }
    if let Some(path) = check.path.take_if(|path| !is_path(path)) {
        service.note(line, path, "left out, for it is not a path that is percent-encoded");
    }
    if let Some(host) = check.host.take_if(|host| !is_host(host)) {
        service.note(line, host, "left out: expected the name of a host, without a port");
    }
}

/// Fits how often and how fast is asked, and how many answers count.
fn fit_pace(service: &mut Service, check: &mut Check) {
    let line = service.line;
    for (key, value, (least, most)) in
        [("interval", &mut check.interval, INTERVAL), ("timeout", &mut check.timeout, TIMEOUT)]
    {
        let [least, most] = [least, most].map(Duration::from_millis);
        let Some(asked) = *value else { continue };
        let fitted = asked.clamp(least, most);
        if fitted != asked {
            service.note(line, key, format!("{asked:?} is out of range: it is {fitted:?} now"));
            *value = Some(fitted);
        }
    }
    let most = u32::try_from(MOST_IN_A_ROW).unwrap_or(u32::MAX);
    for (key, value) in [("rise", &mut check.rise), ("fall", &mut check.fall)] {
        let Some(asked) = *value else { continue };
        let fitted = asked.clamp(1, most);
        if fitted != asked {
            service.note(line, key, format!("{asked} is out of range: it is {fitted} now"));
            *value = Some(fitted);
        }
    }
}

/// Says at which port servers are asked, where the configuration would find none or one that nobody meant. The other
/// programs ask each server at its own port, whatever the service's protocol is.
pub(super) fn fit_port(service: &mut Service) {
    let Check { kind, port, .. } = service.check;
    let Some((_, usual)) = service.ports.first().filter(|_| kind != Kind::None && port.is_none()) else { return };
    let protocol = if kind == Kind::Udp { Protocol::Udp } else { Protocol::Tcp };
    let of_protocol = || service.ports.iter().filter(|(other, _)| *other == protocol).map(|(_, range)| *range);
    let is_one = |range: &PortRange| range.first() == range.last();
    let one = of_protocol().find(is_one).or(service.ports.iter().map(|(_, range)| *range).find(is_one));
    if let Some(one) = one {
        service.check.port = Some(one.first()).filter(|_| of_protocol().next() != Some(one));
    } else if kind == Kind::Exec {
        service.check.port = Some(usual.first());
    } else {
        let what = format!("ports {usual}");
        service.check = Check { kind: Kind::None, ..Check::default() };
        let why = format!("no check: nothing says at which of them; set kind = \"{kind}\" and `port`");
        service.note(service.line, what, why);
    }
}
