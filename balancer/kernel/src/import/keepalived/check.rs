//! How servers are checked: one section of Weir's for the blocks of all servers.

use std::net::IpAddr;
use std::time::Duration;

use weir_checks::check::{Codes, Kind};

use super::super::{Check, Service, ports};
use super::elsewhere;
use super::real::Real;
use super::statement::Statement;

/// How often servers are checked, and how long that may take, when nothing says otherwise.
const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(5);
/// The codes that are good when nothing says otherwise.
const CODES: &str = "200-299";

/// What a virtual server says for the checks of all its servers, or a server for its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Common<'a> {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    retries: Option<u32>,
    host: Option<&'a str>,
}

impl<'a> Common<'a> {
    /// Whether this is an option of checks, with a value that can be read.
    pub(super) fn take(&mut self, inner: &'a Statement) -> bool {
        match inner.name() {
            "delay_loop" => self.interval = inner.duration(),
            "connect_timeout" => self.timeout = inner.duration(),
            "retry" => self.retries = inner.number(),
            "virtualhost" => self.host = Some(inner.argument(0)),
            _ => return false,
        }
        match inner.name() {
            "virtualhost" => true,
            "retry" => inner.number().is_some(),
            _ => inner.duration().is_some(),
        }
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
    let retries = first.check.retries.or(common.retries);
    let mut check = Check {
        kind: Kind::None,
        interval: first.check.interval.or(common.interval).or(Some(INTERVAL)),
        timeout: first.check.timeout.or(common.timeout).or(Some(TIMEOUT)),
        rise: Some(1),
        fall: Some(retries.unwrap_or(default_retries(checker.name())).saturating_add(1)),
        port: Some(first.port).filter(|port| *port > 0 && service.only_port().is_none()),
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
    // A program is often given the server's address: that much may differ.
    let written = |real: &Real<'_>| real.checker.map(|checker| anonymous(&without_lines(checker), real.address));
    if written(first) != written(real) || first.check != real.check {
        let why = "all servers of a service are checked alike, and the first one has another check";
        service.note(real.statement.line, real.statement.text(), why);
    }
    real.checker.into_iter().for_each(|checker| carried.extend(checker.lines()));
}

/// The text with `{address}` in place of the server's own, wherever that stands for itself.
fn anonymous(text: &str, address: IpAddr) -> String {
    let own = address.to_string();
    let is_part = |character: char| match address {
        IpAddr::V4(_) => character.is_ascii_digit() || character == '.',
        IpAddr::V6(_) => character.is_ascii_hexdigit() || character == ':',
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&own) {
        let stands_alone = !before.ends_with(is_part) && !after.starts_with(is_part);
        out += before;
        out += if stands_alone { "{address}" } else { &own };
        rest = after;
    }
    out + rest
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
        check.host = real.check.host.or(common.host).map(str::to_owned);
        check.codes = vec![CODES.to_owned()];
    }
    if check.kind == Kind::Exec {
        // Programs may run until the next check is due.
        check.timeout = check.interval;
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
    if check.kind == Kind::Exec && !checker.block.iter().any(|inner| inner.name() == "misc_path") {
        check.kind = Kind::None;
        service.note(checker.line, checker.text(), "there is no `misc_path`; servers are not checked");
    }
}

fn option(real: &Real<'_>, inner: &Statement, check: &mut Check) -> Result<(), &'static str> {
    const NUMBER: &str = "expected a number";
    match inner.name() {
        "connect_port" => check.port = Some(ports::port(inner.argument(0)).filter(|port| *port > 0).ok_or(NUMBER)?),
        "connect_timeout" if check.kind != Kind::Exec => check.timeout = Some(inner.duration().ok_or(NUMBER)?),
        "misc_timeout" => {
            let limit = inner.duration().ok_or(NUMBER)?;
            check.timeout = Some(limit).filter(|limit| !limit.is_zero()).or(check.timeout);
        }
        "retry" | "nb_get_retry" => check.fall = Some(inner.number().ok_or(NUMBER)?.saturating_add(1)),
        "delay_loop" => check.interval = Some(inner.duration().ok_or(NUMBER)?),
        "misc_path" => {
            let words = inner.words[1..].iter().flat_map(|word| word.split_whitespace());
            check.command = words.map(|word| anonymous(word, real.address)).collect();
        }
        "virtualhost" => check.host = Some(inner.argument(0).to_owned()),
        "misc_dynamic" => {
            return Err("the exit code says whether a server is up, not its weight: the agent reports load");
        }
        "user" => return Err("the program runs as the user that Weir runs as"),
        "connect_ip" | "bindto" | "bind_port" | "bind_if" | "fwmark" => {
            return Err("each server is asked at its own address, by way of the routes");
        }
        "payload" | "require_reply" | "min_reply_length" | "max_reply_length" => {
            return Err("Weir sends and compares text: set `send` and `receive`");
        }
        "enable_sni" | "sni_name" => return Err("over TLS servers are told `host`, if there is one"),
        "http_protocol" | "fast_recovery" | "tls_compliant" | "helo_name" => {
            return Err("Weir has no such option, nor needs it");
        }
        _ => return elsewhere(inner),
    }
    Ok(())
}

fn url(service: &mut Service, url: &Statement, check: &mut Check, carried: &mut Vec<usize>) {
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
