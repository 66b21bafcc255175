//! Reads `ldirectord.cf`.
//!
//! Lines have the form `name = value`. Indented lines after `virtual = …` belong to that service. Lines that cannot be
//! global belong to it even if they are not indented, since files may lose their indentation.
//!
//! | module     | contents                        |
//! |------------|---------------------------------|
//! | [`lines`]  | lines and their values          |
//! | [`real`]   | the value of `real =`           |
//! | [`check`]  | health checks                   |
//!
//! The directives are documented in ldirectord(8) of resource-agents 4.

mod check;
mod lines;
mod real;

use std::net::Ipv4Addr;

use self::check::CheckDirectives;
use self::lines::Line;
use super::ports::{self, address_and_port};
use super::{Imported, Service, adjust};
use crate::model::{PortRange, Protocol};
use crate::settings::OnExit;

/// Directives that may be global or of a service.
const SHARED: [&str; 18] = [
    "checktimeout",
    "negotiatetimeout",
    "connecttimeout",
    "checkinterval",
    "checkcount",
    "failurecount",
    "fallback",
    "fallback6",
    "fallbackcommand",
    "emailalert",
    "emailalertfrom",
    "emailalertfreq",
    "emailalertstatus",
    "smtp",
    "quiescent",
    "readdquiescent",
    "cleanstop",
    "monitorfile",
];

/// Reads a file. Lines that cannot be read are noted.
#[must_use]
pub fn read(text: &str) -> Imported {
    let mut reader = Reader::default();
    for line in lines::read(text) {
        reader.read(line);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader<'a> {
    imported: Imported,
    /// Global directives for checks.
    global: CheckDirectives<'a>,
    /// The global fallback of each family, and whether any service uses it.
    fallbacks: [Option<(Line<'a>, bool)>; 2],
    current: Option<OpenService<'a>>,
    /// Whether the service to which lines would belong could not be read.
    is_skipping: bool,
}

/// A service that is being read.
struct OpenService<'a> {
    service: Service,
    directives: CheckDirectives<'a>,
    fallback: Option<Line<'a>>,
    reals: Vec<real::Real<'a>>,
    protocol: Option<Protocol>,
    port: u16,
}

impl<'a> Reader<'a> {
    fn read(&mut self, line: Line<'a>) {
        let is_shared = SHARED.contains(&line.name);
        match line.name {
            "virtual" | "virtual6" => self.open(line),
            _ if is_shared && !line.is_indented => self.read_global(line),
            "autoreload" | "callback" | "execute" | "supervised" | "fork" | "logfile" | "maintenancedir" => {
                self.read_global(line);
            }
            _ => match &mut self.current {
                Some(open) => {
                    if open.read(line) {
                        self.imported.imported_lines.insert(line.number);
                    }
                }
                None if self.is_skipping => {
                    self.imported.note(line.number, line.text, "belongs to a service that was left out");
                }
                None => {
                    self.imported.note(line.number, line.text, "unknown, or not allowed before the first `virtual`");
                }
            },
        }
    }

    fn open(&mut self, line: Line<'a>) {
        self.close();
        self.is_skipping = true;
        let service = match (line.value.parse::<u32>(), address_and_port(line.value)) {
            (Ok(mark), _) if mark > 0 => {
                let mut service = Service::new(format!("mark-{mark}"), line.number);
                service.mark = Some(mark);
                service
            }
            (_, Some((address, Some(port)))) if port > 0 => {
                let mut service = Service::new(String::new(), line.number);
                service.addresses.push(address);
                service.ports.push((Protocol::Tcp, port.into()));
                service
            }
            _ => {
                let reason = "expected a mark, or an address and a port; names are not resolved";
                return self.imported.note(line.number, line.text, reason);
            }
        };
        self.is_skipping = false;
        self.imported.imported_lines.insert(line.number);
        let mut service = service;
        // ldirectord's default differs from Weir's.
        service.scheduler = "wrr".to_owned();
        let port = service.only_port().unwrap_or(0);
        let directives = CheckDirectives::default();
        self.current =
            Some(OpenService { service, directives, fallback: None, reals: Vec::new(), protocol: None, port });
    }

    fn read_global(&mut self, line: Line<'a>) {
        match line.name {
            "fallback" | "fallback6" => {
                let [ipv4, ipv6] = &mut self.fallbacks;
                *if line.name == "fallback" { ipv4 } else { ipv6 } = Some((line, false));
            }
            "cleanstop" => {
                self.imported.on_exit = match line.value {
                    "yes" => Some(OnExit::Remove),
                    "no" => Some(OnExit::Keep),
                    _ => return self.imported.note(line.number, line.text, "expected yes or no"),
                };
            }
            _ if self.global.store(line) => {}
            _ => return self.imported.note(line.number, line.text, unsupported(line.name)),
        }
        self.imported.imported_lines.insert(line.number);
    }

    fn close(&mut self) {
        let Some(mut open) = self.current.take() else { return };
        open.set_protocol();
        let [ipv4, ipv6] = &mut self.fallbacks;
        let global = if open.is_ipv6() { ipv6 } else { ipv4 };
        if let Some((_, is_used)) = global {
            *is_used = true;
        }
        open.set_fallback(global.map(|(line, _)| line));
        check::set_check(&mut open, &self.global);
        self.imported.services.push(open.service);
    }

    fn finish(mut self) -> Imported {
        self.close();
        for (fallback, _) in self.fallbacks.into_iter().flatten().filter(|(_, is_used)| !is_used) {
            self.imported.note(fallback.number, fallback.text, "there is no service of this address family");
        }
        self.imported.adjust();
        self.imported
    }
}

impl<'a> OpenService<'a> {
    /// Reads a line. Returns whether it was imported, at least in part.
    fn read(&mut self, line: Line<'a>) -> bool {
        let Line { number, text, value, .. } = line;
        match line.name {
            "real" | "real6" => return self.read_real(line),
            "scheduler" => value.clone_into(&mut self.service.scheduler),
            "fallback" | "fallback6" => self.fallback = Some(line),
            "persistent" => match value.parse() {
                Ok(seconds) if seconds > 0 => self.service.persistence = Some(seconds),
                _ => return self.reject(line, "expected a number of seconds"),
            },
            "netmask" => match (value.parse::<Ipv4Addr>().ok().map(ports::prefix), value.parse::<u8>()) {
                (Some(Some(prefix)), _) => self.service.persistence_prefix = Some(prefix),
                (None, Ok(prefix @ 1..=128)) => self.service.persistence_prefix6 = Some(prefix),
                _ => return self.reject(line, "expected a netmask, or a prefix length from 1 to 128 for IPv6"),
            },
            "protocol" => match (value, self.service.mark) {
                ("tcp", None) => self.protocol = Some(Protocol::Tcp),
                ("udp", None) => self.protocol = Some(Protocol::Udp),
                ("fwm", Some(_)) => {}
                _ => return self.reject(line, "expected tcp or udp for an address, fwm for a mark"),
            },
            "ops" => match value {
                "yes" => self.service.one_packet = true,
                "no" => {}
                _ => return self.reject(line, "expected yes or no"),
            },
            "cleanstop" => {
                self.service.note(number, text, "`on_exit` applies to all services; set it in [kernel]");
                return false;
            }
            _ if self.directives.store(line) => {}
            name => return self.reject(line, unsupported(name)),
        }
        true
    }

    fn reject(&mut self, line: Line<'a>, reason: &str) -> bool {
        self.service.note(line.number, line.text, reason);
        false
    }

    fn read_real(&mut self, line: Line<'a>) -> bool {
        match real::read(line) {
            Ok(real) => {
                self.service.servers.extend(real.servers.iter().cloned());
                self.reals.push(real);
                true
            }
            Err(reason) => self.reject(line, reason),
        }
    }

    /// Sets the protocol and the name. The protocol may be given after the address; some ports have another default.
    fn set_protocol(&mut self) {
        let default = if self.port == 53 { Protocol::Udp } else { Protocol::Tcp };
        let protocol = self.protocol.unwrap_or(default);
        if let [address] = self.service.addresses[..] {
            self.service.ports = vec![(protocol, PortRange::from(self.port))];
            let address: String =
                address.to_string().chars().map(|part| if part.is_alphanumeric() { part } else { '-' }).collect();
            self.service.name = format!("{address}-{protocol}-{}", self.port);
        }
        for real in &self.reals {
            self.service.check_server_port(real.line.number, real.line.text, real.port);
        }
    }

    /// Returns whether its addresses are IPv6; with a mark, those of its servers.
    fn is_ipv6(&self) -> bool {
        let of_server = self.service.servers.first().map(|server| server.address);
        self.service.addresses.first().copied().or(of_server).is_some_and(|address| address.is_ipv6())
    }

    fn set_fallback(&mut self, global: Option<Line<'a>>) {
        let Some(line) = self.fallback.or(global) else { return };
        let mut words = line.value.split_whitespace();
        let address = words.next().and_then(address_and_port);
        let Some((address, port)) = address else {
            let reason = "expected an address; names are not resolved";
            return self.service.note(line.number, line.text, reason);
        };
        if self.is_ipv6() != address.is_ipv6() {
            return self.service.note(line.number, line.text, "the service has only addresses of the other family");
        }
        self.service.sorry_server = Some(address);
        self.service.check_server_port(line.number, line.text, port.unwrap_or(0));
        let method = real::method(words.next().unwrap_or("gate"));
        if adjust::most_common_method(&self.service).is_some_and(|common| Some(common) != method) {
            let reason = "the sorry server uses the service's method";
            self.service.note(line.number, line.text, reason);
        }
    }
}

/// Why a directive is not imported.
fn unsupported(name: &str) -> &'static str {
    match name {
        "autoreload" => "restart Weir after changes; the kernel keeps forwarding, and no connection is lost",
        "callback" => "Weir runs no program when its configuration changes",
        "execute" => "import that file too, and add its services to the same weir.toml",
        "supervised" | "fork" => "Weir always runs in the foreground, and checks all servers concurrently",
        "logfile" => "Weir logs to standard error, which the service manager records",
        "maintenancedir" => "to drain a server, remove its section and restart Weir, or use its agent",
        "readdquiescent" => "Weir deletes a failed server, and adds it when its check succeeds again",
        "fallbackcommand" => "Weir runs no program when the sorry server takes over; use alerts on its metrics",
        "emailalert" | "emailalertfrom" | "emailalertfreq" | "emailalertstatus" | "smtp" => {
            "Weir sends no mail; use alerts on its metrics"
        }
        "monitorfile" => "Weir logs changes to standard error, and counts checks in its metrics",
        "checkcount" => {
            "a number of pings, which Weir does not send; `fall` is the number of failures that take a server down"
        }
        "login" | "passwd" | "database" | "secret" | "load" => {
            "Weir's checks do not log in; use a program that does, with kind = \"exec\""
        }
        _ => "unknown, or not supported",
    }
}
