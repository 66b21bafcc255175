//! Reads `ldirectord.cf`.
//!
//! A line says `name = value`. What follows a line `virtual = …` and is indented belongs to that virtual service; what
//! can belong to nothing else belongs to it without being indented, too, since files lose their blanks on the way.
//!
//! | module     | what it holds                                            |
//! |------------|----------------------------------------------------------|
//! | [`lines`]  | lines, and the values in them                            |
//! | [`real`]   | what stands behind `real =`                              |
//! | [`check`]  | how servers are checked, of many directives              |
//!
//! What the directives mean is in ldirectord(8) of resource-agents 4.

mod check;
mod lines;
mod real;

use std::net::Ipv4Addr;

use self::check::Checked;
use self::lines::Line;
use super::ports::{self, address_and_port};
use super::{Imported, Service, fit};
use crate::model::{PortRange, Protocol};
use crate::settings::OnExit;

/// Directives that may stand ahead of the first service, for all, or in one, for it alone.
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

/// Reads the whole file. What cannot be read is noted: there is always something to show.
#[must_use]
pub fn read(text: &str) -> Imported {
    let mut reader = Reader::default();
    for line in lines::read(text) {
        reader.take(line);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader<'a> {
    imported: Imported,
    /// What holds for every service that does not say otherwise.
    common: Checked<'a>,
    /// The server that stands in for each family, and whether any service took it.
    fallbacks: [Option<(Line<'a>, bool)>; 2],
    current: Option<Open<'a>>,
    /// Whether the service that lines would belong to could not be read.
    is_skipping: bool,
}

/// A service, as far as it was read.
struct Open<'a> {
    service: Service,
    checked: Checked<'a>,
    fallback: Option<Line<'a>>,
    /// The servers' own requests, and what must be in the answers.
    pairs: Vec<real::Real<'a>>,
    protocol: Option<Protocol>,
    port: u16,
}

impl<'a> Reader<'a> {
    fn take(&mut self, line: Line<'a>) {
        let is_shared = SHARED.contains(&line.name);
        match line.name {
            "virtual" | "virtual6" => self.open(line),
            _ if is_shared && !line.is_indented => self.take_global(line),
            "autoreload" | "callback" | "execute" | "supervised" | "fork" | "logfile" | "maintenancedir" => {
                self.take_global(line);
            }
            _ => match &mut self.current {
                Some(open) => {
                    if open.take(line) {
                        self.imported.carried.insert(line.number);
                    }
                }
                None if self.is_skipping => {
                    self.imported.note(line.number, line.text, "belongs to a service that was left out");
                }
                None => {
                    self.imported.note(line.number, line.text, "stands ahead of the first `virtual`, or is unknown");
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
                let why = "expected a mark, or an address and a port; names are not resolved, write the address";
                return self.imported.note(line.number, line.text, why);
            }
        };
        self.is_skipping = false;
        self.imported.carried.insert(line.number);
        let mut service = service;
        // ldirectord's defaults are not Weir's.
        service.scheduler = "wrr".to_owned();
        let port = service.only_port().unwrap_or(0);
        let fallback = None;
        self.current =
            Some(Open { service, checked: Checked::default(), fallback, pairs: Vec::new(), protocol: None, port });
    }

    fn take_global(&mut self, line: Line<'a>) {
        match line.name {
            "fallback" | "fallback6" => {
                let [four, six] = &mut self.fallbacks;
                *if line.name == "fallback" { four } else { six } = Some((line, false));
            }
            "cleanstop" => {
                self.imported.on_exit = match line.value {
                    "yes" => Some(OnExit::Remove),
                    "no" => Some(OnExit::Keep),
                    _ => return self.imported.note(line.number, line.text, "expected yes or no"),
                };
            }
            _ if self.common.take(line) => {}
            _ => return self.imported.note(line.number, line.text, without_place(line.name)),
        }
        self.imported.carried.insert(line.number);
    }

    fn close(&mut self) {
        let Some(mut open) = self.current.take() else { return };
        open.settle_protocol();
        let [four, six] = &mut self.fallbacks;
        let common = if open.is_ipv6() { six } else { four };
        if let Some((_, is_taken)) = common {
            *is_taken = true;
        }
        open.take_fallback(common.map(|(line, _)| line));
        check::settle(&mut open, &self.common);
        self.imported.services.push(open.service);
    }

    fn finish(mut self) -> Imported {
        self.close();
        for (fallback, _) in self.fallbacks.into_iter().flatten().filter(|(_, is_taken)| !is_taken) {
            self.imported.note(fallback.number, fallback.text, "there is no service that it could stand in for");
        }
        self.imported.settle();
        self.imported
    }
}

impl<'a> Open<'a> {
    /// Whether the line's meaning, or some of it, is carried over.
    fn take(&mut self, line: Line<'a>) -> bool {
        let Line { number, text, value, .. } = line;
        match line.name {
            "real" | "real6" => return self.take_real(line),
            "scheduler" => value.clone_into(&mut self.service.scheduler),
            "fallback" | "fallback6" => self.fallback = Some(line),
            "persistent" => match value.parse() {
                Ok(seconds) if seconds > 0 => self.service.persistence = Some(seconds),
                _ => return self.refuse(line, "expected a number of seconds"),
            },
            "netmask" => match (value.parse::<Ipv4Addr>().ok().map(ports::prefix), value.parse::<u8>()) {
                (Some(Some(prefix)), _) => self.service.persistence_prefix = Some(prefix),
                (None, Ok(prefix @ 1..=128)) => self.service.persistence_prefix6 = Some(prefix),
                _ => return self.refuse(line, "expected a netmask, or a prefix length from 1 to 128 for IPv6"),
            },
            "protocol" => match (value, self.service.mark) {
                ("tcp", None) => self.protocol = Some(Protocol::Tcp),
                ("udp", None) => self.protocol = Some(Protocol::Udp),
                ("fwm", Some(_)) => {}
                _ => return self.refuse(line, "expected tcp or udp for an address, fwm for a mark"),
            },
            "ops" => match value {
                "yes" => self.service.one_packet = true,
                "no" => {}
                _ => return self.refuse(line, "expected yes or no"),
            },
            "cleanstop" => {
                self.service.note(number, text, "`on_exit` holds for all services alike: set it in [kernel]");
                return false;
            }
            _ if self.checked.take(line) => {}
            name => return self.refuse(line, without_place(name)),
        }
        true
    }

    fn refuse(&mut self, line: Line<'a>, why: &str) -> bool {
        self.service.note(line.number, line.text, why);
        false
    }

    fn take_real(&mut self, line: Line<'a>) -> bool {
        match real::read(line) {
            Ok(real) => {
                self.service.servers.extend(real.servers.iter().cloned());
                self.pairs.push(real);
                true
            }
            Err(why) => self.refuse(line, why),
        }
    }

    /// The protocol may be said behind the address, and some ports have one of their own.
    fn settle_protocol(&mut self) {
        let usual = if self.port == 53 { Protocol::Udp } else { Protocol::Tcp };
        let protocol = self.protocol.unwrap_or(usual);
        if let [address] = self.service.addresses[..] {
            self.service.ports = vec![(protocol, PortRange::from(self.port))];
            let address: String =
                address.to_string().chars().map(|part| if part.is_alphanumeric() { part } else { '-' }).collect();
            self.service.name = format!("{address}-{protocol}-{}", self.port);
        }
        for real in std::mem::take(&mut self.pairs) {
            self.service.check_server_port(real.line.number, real.line.text, real.port);
            self.pairs.push(real);
        }
    }

    /// Whether its addresses are IPv6; with a mark, those of its servers.
    fn is_ipv6(&self) -> bool {
        let of_server = self.service.servers.first().map(|server| server.address);
        self.service.addresses.first().copied().or(of_server).is_some_and(|address| address.is_ipv6())
    }

    fn take_fallback(&mut self, common: Option<Line<'a>>) {
        let Some(line) = self.fallback.or(common) else { return };
        let mut words = line.value.split_whitespace();
        let address = words.next().and_then(address_and_port);
        let Some((address, port)) = address else {
            let why = "expected an address; names are not resolved, write the address";
            return self.service.note(line.number, line.text, why);
        };
        if self.is_ipv6() != address.is_ipv6() {
            return self.service.note(line.number, line.text, "the service has addresses of the other family");
        }
        self.service.sorry_server = Some(address);
        self.service.check_server_port(line.number, line.text, port.unwrap_or(0));
        let method = real::method(words.next().unwrap_or("gate"));
        if fit::usual_method(&self.service).is_some_and(|usual| Some(usual) != method) {
            let why = "the sorry server gets packets by the service's method, as its servers do";
            self.service.note(line.number, line.text, why);
        }
    }
}

/// Why a directive has no counterpart.
fn without_place(name: &str) -> &'static str {
    match name {
        "autoreload" => {
            "restart Weir when its services have changed: the kernel goes on meanwhile, and nothing is lost"
        }
        "callback" => "Weir runs no program when its configuration changes",
        "execute" => "import that file as well, and put its services into the same weir.toml",
        "supervised" | "fork" => "Weir always stays in the foreground, and checks all servers at once",
        "logfile" => "Weir logs to standard error; the service manager keeps it",
        "maintenancedir" => {
            "take a server's section out and restart Weir: it is drained then; or, if it has an agent, by that"
        }
        "readdquiescent" => "a failed server is deleted, and added when its check is good again",
        "fallbackcommand" => "Weir runs no program when the sorry server takes over; watch its metrics instead",
        "emailalert" | "emailalertfrom" | "emailalertfreq" | "emailalertstatus" | "smtp" => {
            "Weir sends no mail; alert on its metrics instead"
        }
        "monitorfile" => "Weir logs checks to standard error, and counts them in its metrics",
        "checkcount" => "it counted pings, which Weir does not send; `fall` says how many failures count",
        "login" | "passwd" | "database" | "secret" | "load" => {
            "no check of Weir's signs in; have a program do it: kind = \"exec\""
        }
        _ => "unknown, or not understood",
    }
}
