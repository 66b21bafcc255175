//! The sysctls that kernel mode requires, and whether they have the required values.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;

use super::model::{Family, Forwarding};
use super::settings::{Directors, VirtualService};

/// A sysctl with its required value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sysctl {
    /// Path below `/proc/sys`, such as `net/ipv4/ip_forward`.
    pub name: Cow<'static, str>,
    /// Required value.
    pub value: &'static str,
    /// Effect of the value, as a verb phrase.
    pub purpose: &'static str,
}

/// State of a sysctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysctlState {
    /// The sysctl.
    pub sysctl: Sysctl,
    /// Actual value, or why it cannot be read.
    pub actual: Result<String, String>,
    /// Previous value, if it was changed.
    pub replaced: Option<String>,
    /// Why it could not be set, if that was tried.
    pub set_error: Option<String>,
}

impl Sysctl {
    /// Name in the notation of sysctl(8).
    #[must_use]
    pub fn dotted(&self) -> String {
        self.name.replace('/', ".")
    }

    /// Returns whether no client of some server can be served without it. The others only matter on failures.
    #[must_use]
    pub fn is_essential(&self) -> bool {
        [&FORWARD, &FORWARD6].iter().any(|essential| essential.name == self.name)
    }
}

impl SysctlState {
    /// Returns whether the sysctl has its required value.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.actual.as_deref() == Ok(self.sysctl.value)
    }
}

/// The problem, in one line.
impl fmt::Display for SysctlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = (self.sysctl.dotted(), self.sysctl.value.replace('\t', " "));
        match &self.actual {
            Ok(actual) => write!(f, "sysctl {name} is {}, expected {value}", actual.replace('\t', " "))?,
            Err(error) => write!(f, "sysctl {name} cannot be read: {error}; expected {value}")?,
        }
        write!(f, " ({})", self.sysctl.purpose)?;
        self.set_error.iter().try_for_each(|error| write!(f, "; setting it failed: {error}"))
    }
}

/// Without it, packets of a connection whose server was deleted are dropped until the client gives up.
const EXPIRE_NO_DESTINATION: Sysctl = Sysctl {
    name: Cow::Borrowed("net/ipv4/vs/expire_nodest_conn"),
    value: "1",
    purpose: "sends clients of a failed server to another one at once",
};
/// Without it, persistent clients of a draining server are still sent there.
const EXPIRE_QUIESCENT: Sysctl = Sysctl {
    name: Cow::Borrowed("net/ipv4/vs/expire_quiescent_template"),
    value: "1",
    purpose: "sends persistent clients of a draining server to another one",
};
const FORWARD: Sysctl = Sysctl {
    name: Cow::Borrowed("net/ipv4/ip_forward"),
    value: "1",
    purpose: "forwards replies of servers behind NAT",
};
const FORWARD6: Sysctl = Sysctl {
    name: Cow::Borrowed("net/ipv6/conf/all/forwarding"),
    value: "1",
    purpose: "forwards replies of servers behind NAT (IPv6)",
};
const SYNC: [Sysctl; 3] = [
    Sysctl {
        name: Cow::Borrowed("net/ipv4/vs/sync_threshold"),
        value: "0\t0",
        purpose: "synchronises every connection with the other director",
    },
    Sysctl {
        name: Cow::Borrowed("net/ipv4/vs/sync_refresh_period"),
        value: "4",
        purpose: "synchronises every connection again every 4 seconds",
    },
    Sysctl {
        name: Cow::Borrowed("net/ipv4/vs/sync_retries"),
        value: "1",
        purpose: "sends synchronisation messages once more in case of loss",
    },
];
const SLOPPY: Sysctl = Sysctl {
    name: Cow::Borrowed("net/ipv4/vs/sloppy_tcp"),
    value: "1",
    purpose: "takes over connections of the other director by their hash",
};

/// Without it, the director that has a virtual address drops packets from there, and all servers appear to have failed.
fn accept_local(interface: &str) -> Sysctl {
    Sysctl {
        name: Cow::Owned(format!("net/ipv4/conf/{interface}/accept_local")),
        value: "1",
        purpose: "accepts replies to checks through the virtual address",
    }
}

/// The sysctls that these services require. On `reply_interfaces`, replies of IPv4 servers arrive with a virtual
/// address as source.
#[must_use]
pub fn required<'a>(
    services: impl IntoIterator<Item = &'a VirtualService>,
    directors: Option<&Directors>,
    reply_interfaces: &BTreeSet<String>,
) -> Vec<Sysctl> {
    let mut services = services.into_iter().peekable();
    if services.peek().is_none() {
        return Vec::new();
    }
    let mut required = BTreeSet::from([EXPIRE_NO_DESTINATION, EXPIRE_QUIESCENT]);
    for service in services {
        let uses_nat = |family| {
            let default = match family {
                Family::V4 => service.method.ipv4,
                Family::V6 => service.method.ipv6,
            };
            let of_servers = service.servers.iter().filter(|server| Family::of(server.address) == family);
            let mut used = of_servers.map(|server| server.method.to(server.address)).chain([default]);
            service.families.contains_key(&family) && used.any(|method| method == Forwarding::Masquerade)
        };
        required.extend(uses_nat(Family::V4).then_some(FORWARD));
        required.extend(uses_nat(Family::V6).then_some(FORWARD6));
        let is_hashed = service.scheduler.as_str() == "mh";
        let is_unsynchronised_pair = directors.is_some_and(|directors| directors.sync_interface.is_none());
        required.extend((is_hashed && is_unsynchronised_pair).then_some(SLOPPY));
    }
    if directors.is_some_and(|directors| directors.sync_interface.is_some()) {
        required.extend(SYNC);
    }
    required.extend(reply_interfaces.iter().map(|interface| accept_local(interface)));
    required.into_iter().collect()
}

/// Reads each sysctl in the network namespace of the calling thread, and with `set` sets those that have another value.
#[must_use]
pub fn inspect(sysctls: Vec<Sysctl>, set: bool) -> Vec<SysctlState> {
    let inspect = |sysctl: Sysctl| {
        let mut actual = read(&sysctl.name);
        let (mut replaced, mut set_error) = (None, None);
        if set && !actual.as_ref().is_ok_and(|actual| actual == sysctl.value) {
            match fs::write(path(&sysctl.name), sysctl.value) {
                // A value that could not be read, but was set, is not an error any more.
                Ok(()) => replaced = actual.ok(),
                Err(error) => set_error = Some(error.to_string()),
            }
            actual = read(&sysctl.name);
        }
        SysctlState { sysctl, actual: actual.map_err(|error| error.to_string()), replaced, set_error }
    };
    sysctls.into_iter().map(inspect).collect()
}

fn read(name: &str) -> io::Result<String> {
    fs::read_to_string(path(name)).map(|text| text.trim().to_owned())
}

fn path(name: &str) -> String {
    format!("/proc/sys/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{parse_services, parse_settings};

    fn names(head: &str, lines: &str) -> Vec<String> {
        let text = format!(
            "{head}[[kernel.service]]\nname = \"a\"\naddresses = [\"192.0.2.10\", \"2001:db8::10\"]\ntcp = [\"80\"]\n{lines}"
        );
        let kernel = parse_settings(&text);
        let required = required(&kernel.services, kernel.directors.as_ref(), &BTreeSet::new());
        required.into_iter().map(|sysctl| sysctl.name.rsplit('/').next().unwrap().to_owned()).collect()
    }

    fn has(names: &[String], name: &str) -> bool {
        names.iter().any(|other| other == name)
    }

    #[test]
    fn required_sysctls_depend_on_the_forwarding_methods() {
        let always = ["expire_nodest_conn", "expire_quiescent_template"];
        assert_eq!(names("", "edges = true"), always);
        assert_eq!(names("", "edges = true\nmethod = \"nat\""), ["ip_forward", always[0], always[1], "forwarding"]);
        let one = "edges = true\n[[kernel.service.server]]\naddress = \"10.0.0.1\"\nmethod = \"nat\"";
        assert_eq!(names("", one), ["ip_forward", always[0], always[1]]);
        assert_eq!(required(&[], None, &BTreeSet::new()), []);
    }

    #[test]
    fn two_directors_synchronise_connections_or_hash_alike() {
        let synchronised = "[kernel.directors]\nsync_interface = \"eth0\"\n";
        let with = names(synchronised, "edges = true\nscheduler = \"mh\"");
        assert!(has(&with, "sync_threshold") && !has(&with, "sloppy_tcp"), "{with:?}");
        let without = names("[kernel.directors]\n", "edges = true\nscheduler = \"mh\"");
        assert!(has(&without, "sloppy_tcp") && !has(&without, "sync_threshold"), "{without:?}");
    }

    #[test]
    fn replies_from_virtual_addresses_are_accepted_where_they_arrive() {
        let text = "[[kernel.service]]\nname = \"a\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true";
        let interfaces = ["eth0".to_owned(), "eth1.7".to_owned()].into();
        let required = required(&parse_services(text), None, &interfaces);
        let names: Vec<_> = required.into_iter().map(|sysctl| sysctl.name).collect();
        assert_eq!(names[..2], ["net/ipv4/conf/eth0/accept_local", "net/ipv4/conf/eth1.7/accept_local"]);
    }

    #[test]
    fn a_sysctl_that_cannot_be_read_or_set_is_reported() {
        let sysctl = Sysctl { name: Cow::Borrowed("net/no/such"), value: "1", purpose: "tests" };
        let [state] = &inspect(vec![sysctl], true)[..] else { panic!() };
        assert!(!state.is_ok() && state.actual.is_err() && state.set_error.is_some(), "{state:?}");
        let text = state.to_string();
        let parts = ["sysctl net.no.such cannot be read: ", "; expected 1 (tests); setting it failed: "];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}
