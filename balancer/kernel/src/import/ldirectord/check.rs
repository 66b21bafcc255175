//! How servers are checked: one section of Weir's for many directives.

use std::time::Duration;

use weir_checks::check::Kind;

use super::super::ports;
use super::super::{Check, Service};
use super::lines::{Line, unquoted};
use super::{Open, real::Real};
use crate::model::Protocol;

/// Seconds between two checks, and of those that only connect and those that speak, when nothing says otherwise.
const INTERVAL: u32 = 10;
const CONNECT_TIMEOUT: u32 = 5;
const NEGOTIATE_TIMEOUT: u32 = 30;
/// The codes that are good.
const CODES: &str = "200-299";

/// What the directives say, those for all services or those of one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Checked<'a> {
    kind: Option<Line<'a>>,
    service: Option<Line<'a>>,
    command: Option<Line<'a>>,
    port: Option<(Line<'a>, u16)>,
    request: Option<Line<'a>>,
    receive: Option<Line<'a>>,
    host: Option<Line<'a>>,
    method: Option<Line<'a>>,
    pub(super) quiescent: Option<Line<'a>>,
    interval: Option<u32>,
    connect_timeout: Option<u32>,
    negotiate_timeout: Option<u32>,
    failures: Option<u32>,
}

impl<'a> Checked<'a> {
    /// Whether this is a directive of checks, with a value that can be read.
    pub(super) fn take(&mut self, line: Line<'a>) -> bool {
        let number = || line.value.parse().ok().filter(|number| (1..=86_400).contains(number));
        match line.name {
            "checktype" => self.kind = Some(line),
            "service" => self.service = Some(line),
            "checkcommand" => self.command = Some(line),
            "checkport" => match ports::port(line.value) {
                Some(port) if port > 0 => self.port = Some((line, port)),
                _ => return false,
            },
            "request" => self.request = Some(line),
            "receive" => self.receive = Some(line),
            "virtualhost" => self.host = Some(line),
            "httpmethod" => self.method = Some(line),
            // Weir deletes what failed, whose connections would otherwise go nowhere, and drains what is to be drained.
            "quiescent" if matches!(line.value, "yes" | "no") => self.quiescent = Some(line),
            "checkinterval" => self.interval = number(),
            "checktimeout" | "connecttimeout" => self.connect_timeout = number(),
            "negotiatetimeout" => self.negotiate_timeout = number(),
            "failurecount" => self.failures = number(),
            _ => return false,
        }
        match line.name {
            "checkinterval" | "checktimeout" | "connecttimeout" | "negotiatetimeout" | "failurecount" => {
                number().is_some()
            }
            _ => true,
        }
    }
}

/// Gives a service its check, of its own directives and those for all.
pub(super) fn settle(open: &mut Open<'_>, common: &Checked<'_>) {
    let Open { service, checked: own, pairs, protocol, .. } = open;
    let is_udp = service.ports.first().map_or(*protocol, |(protocol, _)| Some(*protocol)) == Some(Protocol::Udp);
    let mut check = kind(service, own, is_udp);
    let speaks = own.kind.is_none_or(|line| line.value == "negotiate" || line.value.parse::<u32>().is_ok());
    let timeout = [own, common].into_iter().find_map(|checked| {
        let of_kind = if speaks { checked.negotiate_timeout } else { checked.connect_timeout };
        of_kind.or(checked.connect_timeout).or(checked.negotiate_timeout)
    });
    let seconds = |seconds: u32| Some(Duration::from_secs(seconds.into()));
    check.timeout = seconds(timeout.unwrap_or(if speaks { NEGOTIATE_TIMEOUT } else { CONNECT_TIMEOUT }));
    check.interval = seconds(own.interval.or(common.interval).unwrap_or(INTERVAL));
    check.fall = own.failures.or(common.failures).or(Some(1));
    // One success is enough for ldirectord.
    check.rise = Some(1);
    check.port = own.port.map(|(_, port)| port).or(server_port(pairs, service)).or(usual_port(own, service));
    if let Some(line) = own.quiescent.or(common.quiescent).filter(|line| line.value == "yes") {
        service.note(line.number, line.text, "a failed server is deleted: at weight 0 it would keep clients waiting");
    }
    speak(service, own, pairs, &mut check);
    service.check = check;
}

/// The port that all servers have, where it is not the service's.
fn server_port(pairs: &[Real<'_>], service: &Service) -> Option<u16> {
    let mut ports = pairs.iter().map(|real| real.port);
    let first = ports.next().filter(|port| *port > 0 && service.mark.is_some())?;
    ports.all(|port| port == first).then_some(first)
}

/// The port of what a service known by a mark is said to be.
fn usual_port(own: &Checked<'_>, service: &Service) -> Option<u16> {
    own.service.filter(|_| service.mark.is_some()).and_then(|line| ports::port(line.value)).filter(|port| *port > 0)
}

fn kind(service: &mut Service, own: &Checked<'_>, is_udp: bool) -> Check {
    let mut check = Check { kind: Kind::None, ..Check::default() };
    let Some(line) = own.kind else {
        negotiate(service, own, &mut check);
        return check;
    };
    let note = |service: &mut Service, why: &str| service.note(line.number, line.text, why);
    match line.value {
        "on" => {}
        "off" => {
            service.servers.iter_mut().for_each(|server| server.weight = 0);
            note(service, "no server was ever used");
        }
        "connect" if is_udp => {
            note(service, "ldirectord pings servers of UDP, which Weir does not: use kind = \"udp\" or \"exec\"");
        }
        "ping" => note(service, "Weir does not ping: use a check of what the servers serve, such as kind = \"tcp\""),
        "connect" => check.kind = Kind::Tcp,
        "external" | "external-perl" => external(service, own, line, &mut check),
        "negotiate" => negotiate(service, own, &mut check),
        value if value.trim_start_matches("checktimeout").parse::<u32>().is_ok() => {
            note(service, "each check speaks to the server, not only each so many-th");
            negotiate(service, own, &mut check);
        }
        _ => note(service, "unknown; servers are not checked"),
    }
    check
}

fn external(service: &mut Service, own: &Checked<'_>, line: Line<'_>, check: &mut Check) {
    let Some(command) = own.command else {
        return service.note(line.number, line.text, "there is no `checkcommand`; servers are not checked");
    };
    check.kind = Kind::Exec;
    if line.value == "external-perl" {
        check.command.push("/usr/bin/perl".to_owned());
    }
    check.command.extend(command.value.split_whitespace().map(str::to_owned));
    // What ldirectord hands over: the virtual service, then the server.
    let known_by = service.addresses.first().map(ToString::to_string);
    check.command.push(known_by.or(service.mark.map(|mark| mark.to_string())).unwrap_or_default());
    check.command.push(service.only_port().unwrap_or(0).to_string());
    check.command.extend(["{address}".to_owned(), "{port}".to_owned()]);
}

/// A check that speaks the service's protocol.
fn negotiate(service: &mut Service, own: &Checked<'_>, check: &mut Check) {
    let by_port = match service.only_port() {
        Some(80) => "http",
        Some(443) => "https",
        Some(21 | 25 | 53 | 110 | 119 | 143 | 389 | 587 | 993 | 995 | 1521 | 1812 | 3128 | 3306 | 5060 | 5432) => {
            "another"
        }
        _ => "none",
    };
    let named = own.service.map_or(by_port, |line| line.value);
    let line = own.service.or(own.kind);
    let number = line.map_or(service.line, |line| line.number);
    let text = line.map_or("checktype", |line| line.text).to_owned();
    match named {
        "http" => check.kind = Kind::Http,
        "https" => (check.kind, check.tls) = (Kind::Http, true),
        "simpletcp" => check.kind = Kind::Tcp,
        "none" => service.note(
            number,
            text,
            "ldirectord checks nothing here, for neither `checktype` nor `service` says how: add a check, such as \
             kind = \"tcp\"",
        ),
        "dns" | "radius" | "sip" => {
            service.note(
                number,
                text,
                "Weir does not speak it: use kind = \"udp\" with `send` and `receive`, or \"exec\"",
            );
        }
        _ => {
            check.kind = Kind::Tcp;
            service.note(number, text, "Weir does not speak it: the check only connects; or use kind = \"exec\"");
        }
    }
}

/// What is asked, and what the answer must contain.
fn speak(service: &mut Service, own: &Checked<'_>, pairs: &[Real<'_>], check: &mut Check) {
    let (first, others) = (pairs.first(), pairs.get(1..).unwrap_or_default());
    let of_first = first.map(|real| (real.request, real.receive)).unwrap_or_default();
    for real in others.iter().filter(|real| (real.request, real.receive) != of_first) {
        let why = "all servers of a service are checked alike, and the first one has another check";
        service.note(real.line.number, real.line.text, why);
    }
    let is_http = check.kind == Kind::Http;
    if is_http {
        check.codes = vec![CODES.to_owned()];
    }
    let said = |own: Option<&str>, common: Option<Line<'_>>, number: usize| match own {
        Some(value) => Some((number, value.to_owned())),
        None => common.map(|line| (line.number, unquoted(line.value).to_owned())),
    };
    let number = first.map_or(0, |real| real.line.number);
    if let Some((line, request)) = said(of_first.0, own.request, number) {
        if is_http {
            check.path = Some(path(service, line, &request));
        } else if check.kind == Kind::Tcp && own.service.is_some_and(|line| line.value == "simpletcp") {
            check.send = Some(request.replace("\\n", "\n"));
        } else {
            service.note(line, request, "this check sends nothing");
        }
    }
    if let Some((line, receive)) = said(of_first.1, own.receive, number) {
        match plain(&receive) {
            Some(text) if check.send.is_some() || is_http => check.receive = Some(text),
            Some(_) => service.note(line, receive, "this check does not look into the answer"),
            None => service.note(
                line,
                receive,
                "Weir compares text, not a regular expression: set `receive` to a part of it",
            ),
        }
    }
    if let Some(line) = own.host {
        if is_http {
            check.host = Some(line.value.to_owned());
        } else {
            service.note(line.number, line.text, "only checks by HTTP name a host");
        }
    }
    if let Some(line) = own.method.filter(|line| line.value != "GET") {
        service.note(line.number, line.text, "Weir asks by GET");
    }
    if let Some(line) = own.command.filter(|_| check.kind != Kind::Exec) {
        service.note(line.number, line.text, "the check is no program");
    }
}

/// The path of what is asked for.
fn path(service: &mut Service, line: usize, request: &str) -> String {
    let Some(rest) = request.strip_prefix("http://").or(request.strip_prefix("https://")) else {
        return if request.starts_with('/') { request.to_owned() } else { format!("/{request}") };
    };
    service.note(line, request, "each server is asked itself, not the host in it");
    rest.find('/').map_or("/", |position| &rest[position..]).to_owned()
}

/// What a regular expression matches when it is only text.
pub(super) fn plain(expression: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = expression.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                escaped if escaped.is_ascii_punctuation() => text.push(escaped),
                _ => return None,
            },
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' => return None,
            character => text.push(character),
        }
    }
    Some(text)
}
