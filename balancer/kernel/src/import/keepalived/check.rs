//! Health checks: the blocks of all servers become one section.

use std::net::IpAddr;
use std::time::Duration;

use weir_checks::check::{Codes, ProbeKind};

use super::super::{Check, Service, ports};
use super::check_options::CheckOptions;
use super::real::Real;
use super::statement::Statement;
use super::unsupported;

/// keepalived's defaults.
const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(5);
const CODES: &str = "200-299";

/// Sets the check of a service from those of its servers.
pub(super) fn set_check(
    service: &mut Service,
    defaults: &CheckOptions<'_>,
    reals: &[Real<'_>],
    imported_lines: &mut Vec<usize>,
) {
    let Some(first) = reals.first() else { return };
    let Some(checker) = first.checker else {
        if let Some(other) = reals.iter().find_map(|real| real.checker) {
            let reason = "all servers of a service have the same check, and the first server has none";
            service.note(other.line, other.text(), reason);
            for real in reals.iter().skip(1) {
                real.checker.into_iter().for_each(|checker| imported_lines.extend(checker.lines()));
            }
        }
        return;
    };
    let retries = first.check.retries.or(defaults.retries);
    let mut check = Check {
        kind: ProbeKind::None,
        interval: first.check.interval.or(defaults.interval).or(Some(INTERVAL)),
        timeout: first.check.timeout.or(defaults.timeout).or(Some(TIMEOUT)),
        rise: Some(1),
        fall: Some(retries.unwrap_or(default_retries(checker.name())).saturating_add(1)),
        port: Some(first.port).filter(|port| *port > 0 && service.only_port().is_none()),
        ..Check::default()
    };
    read(service, defaults, first, checker, &mut check, imported_lines);
    for real in reals.iter().skip(1) {
        compare(service, first, real, imported_lines);
    }
    service.check = check;
}

/// Number of retries before keepalived considers a server down.
fn default_retries(name: &str) -> u32 {
    match name {
        "HTTP_GET" | "SSL_GET" | "DNS_CHECK" => 3,
        "TCP_CHECK" | "SMTP_CHECK" | "UDP_CHECK" | "PING_CHECK" => 1,
        _ => 0,
    }
}

/// Notes a server whose check differs from that of the first one.
fn compare(service: &mut Service, first: &Real<'_>, real: &Real<'_>, imported_lines: &mut Vec<usize>) {
    // A program often has the address of the server as an argument, which may differ.
    let text = |real: &Real<'_>| real.checker.map(|checker| with_placeholder(&full_text(checker), real.address));
    if text(first) != text(real) || first.check != real.check {
        let reason = "all servers of a service have the same check: that of the first server";
        service.note(real.statement.line, real.statement.text(), reason);
    }
    real.checker.into_iter().for_each(|checker| imported_lines.extend(checker.lines()));
}

/// Replaces the address of the server by `{address}`, except within longer words.
fn with_placeholder(text: &str, address: IpAddr) -> String {
    let address_text = address.to_string();
    let is_part = |character: char| match address {
        IpAddr::V4(_) => character.is_ascii_digit() || character == '.',
        IpAddr::V6(_) => character.is_ascii_hexdigit() || character == ':',
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&address_text) {
        let is_word = !before.ends_with(is_part) && !after.starts_with(is_part);
        out += before;
        out += if is_word { "{address}" } else { &address_text };
        rest = after;
    }
    out + rest
}

/// The text of a statement with its block.
fn full_text(statement: &Statement) -> String {
    let mut text = statement.text();
    let mut stack: Vec<&Statement> = statement.block.iter().rev().collect();
    while let Some(inner) = stack.pop() {
        text += "\n";
        text += &inner.text();
        stack.extend(inner.block.iter().rev());
    }
    text
}

fn read(
    service: &mut Service,
    defaults: &CheckOptions<'_>,
    real: &Real<'_>,
    checker: &Statement,
    check: &mut Check,
    imported_lines: &mut Vec<usize>,
) {
    match checker.name() {
        "TCP_CHECK" => check.kind = ProbeKind::Tcp,
        "HTTP_GET" => check.kind = ProbeKind::Http,
        "SSL_GET" => (check.kind, check.tls) = (ProbeKind::Http, true),
        "MISC_CHECK" => check.kind = ProbeKind::Exec,
        "UDP_CHECK" => check.kind = ProbeKind::Udp,
        "SMTP_CHECK" => {
            check.kind = ProbeKind::Tcp;
            service.note(checker.line, checker.text(), "protocol not supported; the check only connects");
        }
        _ => {
            service.note(checker.line, checker.text(), "check not supported; check the service itself");
            checker.block.iter().for_each(|inner| imported_lines.extend(inner.lines()));
            return;
        }
    }
    imported_lines.push(checker.line);
    if check.kind == ProbeKind::Http {
        check.host = real.check.host.or(defaults.host).map(str::to_owned);
        check.codes = vec![CODES.to_owned()];
    }
    if check.kind == ProbeKind::Exec {
        // Programs may run until the next check.
        check.timeout = check.interval;
    }
    let mut urls = 0;
    for inner in &checker.block {
        let outcome = match inner.name() {
            "url" if urls == 0 => {
                urls = 1;
                imported_lines.push(inner.line);
                url(service, inner, check, imported_lines);
                continue;
            }
            "url" => Err("only the first URL is checked"),
            _ => option(real, inner, check),
        };
        match outcome {
            Ok(()) => imported_lines.push(inner.line),
            Err(reason) => service.notes.push(inner.note(reason)),
        }
    }
    if check.kind == ProbeKind::Exec && !checker.block.iter().any(|inner| inner.name() == "misc_path") {
        check.kind = ProbeKind::None;
        service.note(checker.line, checker.text(), "no `misc_path`; servers are not checked");
    }
}

fn option(real: &Real<'_>, inner: &Statement, check: &mut Check) -> Result<(), &'static str> {
    const NUMBER: &str = "expected a number";
    match inner.name() {
        "connect_port" => check.port = Some(ports::port(inner.argument(0)).filter(|port| *port > 0).ok_or(NUMBER)?),
        "connect_timeout" if check.kind != ProbeKind::Exec => check.timeout = Some(inner.duration().ok_or(NUMBER)?),
        "misc_timeout" => {
            let limit = inner.duration().ok_or(NUMBER)?;
            check.timeout = Some(limit).filter(|limit| !limit.is_zero()).or(check.timeout);
        }
        "retry" | "nb_get_retry" => check.fall = Some(inner.number().ok_or(NUMBER)?.saturating_add(1)),
        "delay_loop" => check.interval = Some(inner.duration().ok_or(NUMBER)?),
        "misc_path" => {
            let words = inner.words[1..].iter().flat_map(|word| word.split_whitespace());
            check.command = words.map(|word| with_placeholder(word, real.address)).collect();
        }
        "virtualhost" => check.host = Some(inner.argument(0).to_owned()),
        "misc_dynamic" => {
            return Err("the exit code decides whether a server is up, not its weight; agents report load");
        }
        "user" => return Err("programs run as Weir's user"),
        "connect_ip" | "bindto" | "bind_port" | "bind_if" | "fwmark" => {
            return Err("servers are checked at their own address, over the kernel's route");
        }
        "payload" | "require_reply" | "min_reply_length" | "max_reply_length" => {
            return Err("Weir sends and compares text; set `send` and `receive`");
        }
        "enable_sni" | "sni_name" => return Err("with TLS, `host` is sent as server name (SNI) if it is set"),
        "http_protocol" | "fast_recovery" | "tls_compliant" | "helo_name" => {
            return Err("not needed by Weir");
        }
        _ => return unsupported(inner),
    }
    Ok(())
}

fn url(service: &mut Service, url: &Statement, check: &mut Check, imported_lines: &mut Vec<usize>) {
    for inner in &url.block {
        match inner.name() {
            "path" => check.path = Some(inner.argument(0).to_owned()),
            "virtualhost" => check.host = Some(inner.argument(0).to_owned()),
            "status_code" => {
                let codes = inner.words[1..].to_vec();
                if Codes::parse(&codes).is_err() {
                    service.note(inner.line, inner.text(), "expected codes from 100 to 599");
                    continue;
                }
                check.codes = codes;
            }
            "digest" => {
                let reason = "digests are not supported; set `receive` to a part of the page";
                service.note(inner.line, inner.text(), reason);
                continue;
            }
            _ => {
                let reason = "only text is compared; set `receive` to a part of the page";
                service.note(inner.line, inner.text(), reason);
                continue;
            }
        }
        imported_lines.push(inner.line);
    }
}
