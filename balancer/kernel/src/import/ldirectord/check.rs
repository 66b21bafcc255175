//! Health checks: many directives become one section.

use std::time::Duration;

use weir_checks::check::ProbeKind;

use super::super::ports;
use super::super::{Check, Service};
use super::lines::{Line, unquoted};
use super::{OpenService, real::Real};
use crate::model::Protocol;

/// Defaults, in seconds: between two checks, for checks that only connect, and for those that send a request.
const INTERVAL: u32 = 10;
const CONNECT_TIMEOUT: u32 = 5;
const NEGOTIATE_TIMEOUT: u32 = 30;
/// Status codes that ldirectord accepts.
const CODES: &str = "200-299";

/// The directives for checks, global or of a service.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CheckDirectives<'a> {
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

impl<'a> CheckDirectives<'a> {
    /// Stores a directive. Returns whether it is one for checks, with a valid value.
    pub(super) fn store(&mut self, line: Line<'a>) -> bool {
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

/// Sets the check of a service from its own and the global directives.
pub(super) fn set_check(open: &mut OpenService<'_>, common: &CheckDirectives<'_>) {
    let OpenService { service, directives: own, reals, protocol, .. } = open;
    let is_udp = service.ports.first().map_or(*protocol, |(protocol, _)| Some(*protocol)) == Some(Protocol::Udp);
    let mut check = kind(service, own, is_udp);
    let negotiates = own.kind.is_none_or(|line| line.value == "negotiate" || line.value.parse::<u32>().is_ok());
    let timeout = [own, common].into_iter().find_map(|directives| {
        let of_kind = if negotiates { directives.negotiate_timeout } else { directives.connect_timeout };
        of_kind.or(directives.connect_timeout).or(directives.negotiate_timeout)
    });
    let seconds = |seconds: u32| Some(Duration::from_secs(seconds.into()));
    check.timeout = seconds(timeout.unwrap_or(if negotiates { NEGOTIATE_TIMEOUT } else { CONNECT_TIMEOUT }));
    check.interval = seconds(own.interval.or(common.interval).unwrap_or(INTERVAL));
    check.fall = own.failures.or(common.failures).or(Some(1));
    // For ldirectord, one success is enough.
    check.rise = Some(1);
    check.port = own.port.map(|(_, port)| port).or(server_port(reals, service)).or(default_port(own, service));
    if let Some(line) = own.quiescent.or(common.quiescent).filter(|line| line.value == "yes") {
        service.note(
            line.number,
            line.text,
            "Weir deletes failed servers: with weight 0, they would keep clients waiting",
        );
    }
    set_request(service, own, reals, &mut check);
    service.check = check;
}

/// The common port of all servers of a service with a mark.
fn server_port(reals: &[Real<'_>], service: &Service) -> Option<u16> {
    let mut ports = reals.iter().map(|real| real.port);
    let first = ports.next().filter(|port| *port > 0 && service.mark.is_some())?;
    ports.all(|port| port == first).then_some(first)
}

/// The default port of the protocol of a service with a mark.
fn default_port(own: &CheckDirectives<'_>, service: &Service) -> Option<u16> {
    own.service.filter(|_| service.mark.is_some()).and_then(|line| ports::port(line.value)).filter(|port| *port > 0)
}

fn kind(service: &mut Service, own: &CheckDirectives<'_>, is_udp: bool) -> Check {
    let mut check = Check { kind: ProbeKind::None, ..Check::default() };
    let Some(line) = own.kind else {
        negotiate(service, own, &mut check);
        return check;
    };
    let note = |service: &mut Service, reason: &str| service.note(line.number, line.text, reason);
    match line.value {
        "on" => {}
        "off" => {
            service.servers.iter_mut().for_each(|server| server.weight = 0);
            note(service, "with `off`, ldirectord never uses the servers");
        }
        "connect" if is_udp => {
            note(service, "ldirectord pings UDP servers, which Weir does not support; use kind = \"udp\" or \"exec\"");
        }
        "ping" => note(service, "ping is not supported; check the service itself, for example with kind = \"tcp\""),
        "connect" => check.kind = ProbeKind::Tcp,
        "external" | "external-perl" => external(service, own, line, &mut check),
        "negotiate" => negotiate(service, own, &mut check),
        value if value.trim_start_matches("checktimeout").parse::<u32>().is_ok() => {
            note(service, "Weir sends a request with every check, not only with every Nth");
            negotiate(service, own, &mut check);
        }
        _ => note(service, "unknown check type; servers are not checked"),
    }
    check
}

fn external(service: &mut Service, own: &CheckDirectives<'_>, line: Line<'_>, check: &mut Check) {
    let Some(command) = own.command else {
        return service.note(line.number, line.text, "no `checkcommand`; servers are not checked");
    };
    check.kind = ProbeKind::Exec;
    if line.value == "external-perl" {
        check.command.push("/usr/bin/perl".to_owned());
    }
    check.command.extend(command.value.split_whitespace().map(str::to_owned));
    // The arguments that ldirectord passes: address or mark and port of the service, then of the server.
    let identity = service.addresses.first().map(ToString::to_string);
    check.command.push(identity.or(service.mark.map(|mark| mark.to_string())).unwrap_or_default());
    check.command.push(service.only_port().unwrap_or(0).to_string());
    check.command.extend(["{address}".to_owned(), "{port}".to_owned()]);
}

/// A check with the protocol of the service.
fn negotiate(service: &mut Service, own: &CheckDirectives<'_>, check: &mut Check) {
    let by_port = match service.only_port() {
        Some(80) => "http",
        Some(443) => "https",
        Some(21 | 25 | 53 | 110 | 119 | 143 | 389 | 587 | 993 | 995 | 1521 | 1812 | 3128 | 3306 | 5060 | 5432) => {
            "other"
        }
        _ => "none",
    };
    let named = own.service.map_or(by_port, |line| line.value);
    let line = own.service.or(own.kind);
    let number = line.map_or(service.line, |line| line.number);
    let text = line.map_or("checktype", |line| line.text).to_owned();
    match named {
        "http" => check.kind = ProbeKind::Http,
        "https" => (check.kind, check.tls) = (ProbeKind::Http, true),
        "simpletcp" => check.kind = ProbeKind::Tcp,
        "none" => service.note(
            number,
            text,
            "ldirectord checks nothing here, since neither `checktype` nor `service` is set; add a check, such as \
             kind = \"tcp\"",
        ),
        "dns" | "radius" | "sip" => {
            service.note(
                number,
                text,
                "protocol not supported; use kind = \"udp\" with `send` and `receive`, or kind = \"exec\"",
            );
        }
        _ => {
            check.kind = ProbeKind::Tcp;
            service.note(number, text, "protocol not supported; the check only connects (kind = \"exec\" can do more)");
        }
    }
}

/// Sets the request, and the text that the response must contain.
fn set_request(service: &mut Service, own: &CheckDirectives<'_>, reals: &[Real<'_>], check: &mut Check) {
    let (first, others) = (reals.first(), reals.get(1..).unwrap_or_default());
    let of_first = first.map(|real| (real.request, real.receive)).unwrap_or_default();
    for real in others.iter().filter(|real| (real.request, real.receive) != of_first) {
        let reason = "all servers of a service have the same check: that of the first server";
        service.note(real.line.number, real.line.text, reason);
    }
    let is_http = check.kind == ProbeKind::Http;
    if is_http {
        check.codes = vec![CODES.to_owned()];
    }
    let value_of = |own: Option<&str>, common: Option<Line<'_>>, number: usize| match own {
        Some(value) => Some((number, value.to_owned())),
        None => common.map(|line| (line.number, unquoted(line.value).to_owned())),
    };
    let number = first.map_or(0, |real| real.line.number);
    if let Some((line, request)) = value_of(of_first.0, own.request, number) {
        if is_http {
            check.path = Some(path(service, line, &request));
        } else if check.kind == ProbeKind::Tcp && own.service.is_some_and(|line| line.value == "simpletcp") {
            check.send = Some(request.replace("\\n", "\n"));
        } else {
            service.note(line, request, "checks of this kind send no request");
        }
    }
    if let Some((line, receive)) = value_of(of_first.1, own.receive, number) {
        match plain(&receive) {
            Some(text) if check.send.is_some() || is_http => check.receive = Some(text),
            Some(_) => service.note(line, receive, "checks of this kind do not read the response"),
            None => service.note(
                line,
                receive,
                "regular expressions are not supported; set `receive` to text that the response contains",
            ),
        }
    }
    if let Some(line) = own.host {
        if is_http {
            check.host = Some(line.value.to_owned());
        } else {
            service.note(line.number, line.text, "only HTTP checks have a host");
        }
    }
    if let Some(line) = own.method.filter(|line| line.value != "GET") {
        service.note(line.number, line.text, "Weir always uses GET");
    }
    if let Some(line) = own.command.filter(|_| check.kind != ProbeKind::Exec) {
        service.note(line.number, line.text, "the check does not run a program");
    }
}

/// The path of the request.
fn path(service: &mut Service, line: usize, request: &str) -> String {
    let Some(rest) = request.strip_prefix("http://").or(request.strip_prefix("https://")) else {
        return if request.starts_with('/') { request.to_owned() } else { format!("/{request}") };
    };
    service.note(line, request, "the request is sent to each server, not to the host in the URL");
    rest.find('/').map_or("/", |position| &rest[position..]).to_owned()
}

/// The text that a regular expression matches; `None` if it matches more than one.
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
