//! How servers are checked: one section of Weir's for the blocks of all servers.

use super::super::{Check, Service, ports};
use super::real::Real;
use super::statement::Statement;
use crate::config::kernel::check::Kind;

/// Seconds between two checks, and that one may take, when nothing says otherwise.
const INTERVAL: u32 = 60;
const TIMEOUT: u32 = 5;

/// What the virtual server says for the checks of all.
#[derive(Debug, Default)]
pub(super) struct Common<'a> {
    interval: Option<u32>,
    timeout: Option<u32>,
    retries: Option<u32>,
    host: Option<&'a str>,
}

impl<'a> Common<'a> {
    /// Whether this is an option of checks, with a value that can be read.
    pub(super) fn take(&mut self, inner: &'a Statement) -> bool {
        let number = inner.number();
        match inner.name() {
            "delay_loop" => self.interval = number.map(|seconds| seconds.max(1)),
            "connect_timeout" => self.timeout = number.map(|seconds| seconds.max(1)),
            "retry" => self.retries = number,
            "virtualhost" => {
                self.host = Some(inner.argument(0));
                return true;
            }
            _ => return false,
        }
        number.is_some()
    }
}

/// Whether a block of this name is a check.
pub(super) fn is_checker(name: &str) -> bool {
    name.ends_with("_CHECK") || name.ends_with("_GET")
}

/// Gives a service the check of its servers.
pub(super) fn settle(service: &mut Service, common: &Common<'_>, reals: &[Real<'_>], carried: &mut Vec<usize>) {
    let Some(first) = reals.first() else { return };
    let Some(checker) = first.checker else {
        if let Some(other) = reals.iter().find_map(|real| real.checker) {
            let why = "all servers of a service are checked alike, and the first one is not checked";
            service.note(other.line, other.text(), why);
            for real in reals.iter().skip(1) {
                real.checker.into_iter().for_each(|checker| carried.extend(checker.lines()));
            }
        }
        return;
    };
    let mut check = Check {
        kind: Kind::None,
        interval: common.interval.or(Some(INTERVAL)),
        timeout: common.timeout.or(Some(TIMEOUT)),
        rise: Some(1),
        fall: Some(common.retries.unwrap_or(default_retries(checker.name())).saturating_add(1)),
        port: Some(first.port).filter(|port| *port > 0 && service.mark.is_some()),
        ..Check::default()
    };
    read(service, common, first, checker, &mut check, carried);
    for real in reals.iter().skip(1) {
        compare(service, first, real, carried);
    }
    service.check = check;
}

/// keepalived asks again so often before it takes a server for dead.
fn default_retries(name: &str) -> u32 {
    match name {
        "HTTP_GET" | "SSL_GET" | "DNS_CHECK" => 3,
        "TCP_CHECK" | "SMTP_CHECK" | "UDP_CHECK" | "PING_CHECK" => 1,
        _ => 0,
    }
}

/// Says so where another server is checked otherwise.
fn compare(service: &mut Service, first: &Real<'_>, real: &Real<'_>, carried: &mut Vec<usize>) {
    let written = |real: &Real<'_>| {
        let own = real.address.to_string();
        // A program is often given the server's address: that much may differ.
        real.checker.map(|checker| without_lines(checker).replace(&own, "{address}"))
    };
    if written(first) != written(real) {
        let why = "all servers of a service are checked alike, and the first one has another check";
        service.note(real.statement.line, real.statement.text(), why);
    }
    real.checker.into_iter().for_each(|checker| carried.extend(checker.lines()));
}

/// What a block says, wherever it stands.
fn without_lines(statement: &Statement) -> String {
    let mut text = statement.text();
    let mut waiting: Vec<&Statement> = statement.block.iter().rev().collect();
    while let Some(inner) = waiting.pop() {
        text += "\n";
        text += &inner.text();
        waiting.extend(inner.block.iter().rev());
    }
    text
}

fn read(
    service: &mut Service,
    common: &Common<'_>,
    real: &Real<'_>,
    checker: &Statement,
    check: &mut Check,
    carried: &mut Vec<usize>,
) {
    match checker.name() {
        "TCP_CHECK" => check.kind = Kind::Tcp,
        "HTTP_GET" => check.kind = Kind::Http,
        "SSL_GET" => (check.kind, check.tls) = (Kind::Http, true),
        "MISC_CHECK" => check.kind = Kind::Exec,
        "UDP_CHECK" => check.kind = Kind::Udp,
        "SMTP_CHECK" => {
            check.kind = Kind::Tcp;
            service.note(checker.line, checker.text(), "Weir does not speak it: the check only connects");
        }
        _ => {
            service.note(checker.line, checker.text(), "Weir has no such check: use one of what the servers serve");
            checker.block.iter().for_each(|inner| carried.extend(inner.lines()));
            return;
        }
    }
    carried.push(checker.line);
    if check.kind == Kind::Http {
        check.host = real.host.or(common.host).map(str::to_owned);
    }
    let mut urls = 0;
    for inner in &checker.block {
        let outcome = match inner.name() {
            "url" if urls == 0 => {
                urls = 1;
                carried.push(inner.line);
                url(service, inner, check, carried);
                continue;
            }
            "url" => Err("only the first page is asked for"),
            _ => option(real, inner, check),
        };
        match outcome {
            Ok(()) => carried.push(inner.line),
            Err(why) => service.notes.push(inner.note(why)),
        }
    }
}

fn option(real: &Real<'_>, inner: &Statement, check: &mut Check) -> Result<(), &'static str> {
    const NUMBER: &str = "expected a number";
    match inner.name() {
        "connect_port" => check.port = Some(ports::port(inner.argument(0)).filter(|port| *port > 0).ok_or(NUMBER)?),
        "connect_timeout" | "misc_timeout" => check.timeout = Some(inner.number().ok_or(NUMBER)?.max(1)),
        "retry" | "nb_get_retry" => check.fall = Some(inner.number().ok_or(NUMBER)?.saturating_add(1)),
        "delay_loop" => check.interval = Some(inner.number().ok_or(NUMBER)?.max(1)),
        "misc_path" => {
            let own = real.address.to_string();
            let words = inner.words[1..].iter().flat_map(|word| word.split_whitespace());
            check.command =
                words.map(|word| if word == own { "{address}".to_owned() } else { word.to_owned() }).collect();
        }
        "virtualhost" => check.host = Some(inner.argument(0).to_owned()),
        "delay_before_retry" => return Err("while a server is failing it is asked at `fast_interval`"),
        "warmup" => return Err("checks are spread over their interval anyhow"),
        "misc_dynamic" => {
            return Err("the exit code says whether a server is up, not its weight: the agent reports load");
        }
        "user" => return Err("the program runs as the user that Weir runs as"),
        "connect_ip" | "bindto" | "bind_port" | "bind_if" | "fwmark" => {
            return Err("each server is asked at its own address, by way of the routes");
        }
        _ => return Err("unknown, or not understood"),
    }
    Ok(())
}

fn url(service: &mut Service, url: &Statement, check: &mut Check, carried: &mut Vec<usize>) {
    for inner in &url.block {
        match inner.name() {
            "path" => check.path = Some(inner.argument(0).to_owned()),
            "virtualhost" => check.host = Some(inner.argument(0).to_owned()),
            "status_code" => {
                let is_code = |text: &str| text.parse().is_ok_and(|code: u16| (100..=599).contains(&code));
                let codes: Vec<String> = inner.words[1..].to_vec();
                let are_codes = codes.iter().all(|code| match code.split_once('-') {
                    Some((first, last)) => is_code(first) && is_code(last) && first <= last,
                    None => is_code(code),
                });
                if codes.is_empty() || !are_codes {
                    service.note(inner.line, inner.text(), "expected codes from 100 to 599");
                    continue;
                }
                check.codes = codes;
            }
            "digest" => {
                let why = "Weir compares no digests: set `receive` to a part of the page";
                service.note(inner.line, inner.text(), why);
                continue;
            }
            _ => {
                let why = "Weir only compares text: set `receive` to a part of the page";
                service.note(inner.line, inner.text(), why);
                continue;
            }
        }
        carried.push(inner.line);
    }
}
