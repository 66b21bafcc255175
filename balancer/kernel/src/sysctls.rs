//! The variables of `/proc/sys` that kernel mode needs: which, and whether they are as they should be.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;

use super::group::Group;
use super::model::{Family, Forwarding};
use crate::settings::Directors;

/// A variable, and what it is to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variable {
    /// Its path below `/proc/sys`, such as `net/ipv4/ip_forward`.
    pub name: Cow<'static, str>,
    /// What it is to be.
    pub value: &'static str,
    /// What it is for.
    pub reason: &'static str,
}

/// A variable, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The variable.
    pub variable: Variable,
    /// What it is, or why that cannot be read.
    pub found: Result<String, String>,
    /// What it was, if it was something else and was set.
    pub replaced: Option<String>,
    /// Why it could not be set, if that was tried.
    pub refused: Option<String>,
}

impl Variable {
    /// Its name as `sysctl` has it.
    #[must_use]
    pub fn dotted(&self) -> String {
        self.name.replace('/', ".")
    }

    /// Whether nobody is served without it; all others help when something fails.
    #[must_use]
    pub fn is_vital(&self) -> bool {
        [&FORWARD, &FORWARD6].iter().any(|vital| vital.name == self.name)
    }
}

impl Finding {
    /// Whether it is as it should be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.found.as_deref() == Ok(self.variable.value)
    }
}

/// What is not as it should be, in one line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Variable { value, reason, .. } = &self.variable;
        let found = self.found.as_ref().unwrap_or_else(|error| error);
        let (name, value) = (self.variable.dotted(), value.replace('\t', " "));
        write!(f, "{name} should be {value}, or it is not so that {reason}; it is {found}")?;
        self.refused.iter().try_for_each(|error| write!(f, "; it cannot be set: {error}"))
    }
}

/// Without it, packets of a connection whose server was deleted are dropped until the client gives up.
const NO_SERVER: Variable = Variable {
    name: Cow::Borrowed("net/ipv4/vs/expire_nodest_conn"),
    value: "1",
    reason: "clients of a server that has failed go to another at once",
};
/// Without it, clients that stay with a drained server go on being sent there.
const NO_WEIGHT: Variable = Variable {
    name: Cow::Borrowed("net/ipv4/vs/expire_quiescent_template"),
    value: "1",
    reason: "clients that stay with their server leave one that is drained",
};
const FORWARD: Variable = Variable {
    name: Cow::Borrowed("net/ipv4/ip_forward"),
    value: "1",
    reason: "answers of servers behind NAT are passed on",
};
const FORWARD6: Variable = Variable {
    name: Cow::Borrowed("net/ipv6/conf/all/forwarding"),
    value: "1",
    reason: "answers of servers behind NAT are passed on (IPv6)",
};
const SYNC: [Variable; 3] = [
    Variable {
        name: Cow::Borrowed("net/ipv4/vs/sync_threshold"),
        value: "0\t0",
        reason: "every connection is told to the other director",
    },
    Variable {
        name: Cow::Borrowed("net/ipv4/vs/sync_refresh_period"),
        value: "4",
        reason: "… and again every 4 seconds",
    },
    Variable { name: Cow::Borrowed("net/ipv4/vs/sync_retries"), value: "1", reason: "… once more if it was lost" },
];
const SLOPPY: Variable = Variable {
    name: Cow::Borrowed("net/ipv4/vs/sloppy_tcp"),
    value: "1",
    reason: "connections that the other director knew are taken over by their hash",
};

/// Without it, the director that has a virtual address drops what comes from there, and each server seems to have failed.
fn accept_local(interface: &str) -> Variable {
    Variable {
        name: Cow::Owned(format!("net/ipv4/conf/{interface}/accept_local")),
        value: "1",
        reason: "servers that are asked through a virtual address are heard",
    }
}

/// Those that these groups need. By `answering` interfaces answers of IPv4 servers come in that have a virtual address for
/// their source.
#[must_use]
pub fn needed<'a>(
    groups: impl IntoIterator<Item = &'a Group>,
    directors: Option<&Directors>,
    answering: &BTreeSet<String>,
) -> Vec<Variable> {
    let mut groups = groups.into_iter().peekable();
    if groups.peek().is_none() {
        return Vec::new();
    }
    let mut needed = BTreeSet::from([NO_SERVER, NO_WEIGHT]);
    for group in groups {
        let uses_nat = |family| {
            let own = match family {
                Family::V4 => group.method.four,
                Family::V6 => group.method.six,
            };
            let of_servers = group.servers.iter().filter(|server| Family::of(server.address) == family);
            let mut used = of_servers.map(|server| server.method.to(server.address)).chain([own]);
            group.services.contains_key(&family) && used.any(|method| method == Forwarding::Masquerade)
        };
        needed.extend(uses_nat(Family::V4).then_some(FORWARD));
        needed.extend(uses_nat(Family::V6).then_some(FORWARD6));
        let hashes = group.services.values().any(|service| service.scheduler.as_str() == "mh");
        let is_alone = directors.is_none_or(|directors| directors.sync_interface.is_some());
        needed.extend((hashes && !is_alone).then_some(SLOPPY));
    }
    if directors.is_some_and(|directors| directors.sync_interface.is_some()) {
        needed.extend(SYNC);
    }
    needed.extend(answering.iter().map(|interface| accept_local(interface)));
    needed.into_iter().collect()
}

/// Looks at each variable, in the network namespace of the calling thread, and sets those that are wrong if `set`.
#[must_use]
pub fn inspect(variables: Vec<Variable>, set: bool) -> Vec<Finding> {
    let look = |variable: Variable| {
        let mut found = read(&variable.name);
        let (mut replaced, mut refused) = (None, None);
        if set && found.as_deref().ok() != Some(variable.value) {
            match fs::write(path(&variable.name), variable.value) {
                Ok(()) => replaced = found.ok(),
                Err(error) => refused = Some(error.to_string()),
            }
            found = read(&variable.name);
        }
        Finding { variable, found: found.map_err(|error| error.to_string()), replaced, refused }
    };
    variables.into_iter().map(look).collect()
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
    use crate::config::tests::{parse_groups, parse_settings};

    fn names(head: &str, lines: &str) -> Vec<String> {
        let text = format!(
            "{head}[[kernel.service]]\nname = \"a\"\naddresses = [\"192.0.2.10\", \"2001:db8::10\"]\ntcp = [\"80\"]\n{lines}"
        );
        let kernel = parse_settings(&text);
        let needed = needed(&kernel.groups, kernel.directors.as_ref(), &BTreeSet::new());
        needed.into_iter().map(|variable| variable.name.rsplit('/').next().unwrap().to_owned()).collect()
    }

    fn has(names: &[String], name: &str) -> bool {
        names.iter().any(|other| other == name)
    }

    #[test]
    fn each_method_needs_its_own() {
        let always = ["expire_nodest_conn", "expire_quiescent_template"];
        assert_eq!(names("", "edges = true"), always);
        assert_eq!(names("", "edges = true\nmethod = \"nat\""), ["ip_forward", always[0], always[1], "forwarding"]);
        let one = "edges = true\n[[kernel.service.server]]\naddress = \"10.0.0.1\"\nmethod = \"nat\"";
        assert_eq!(names("", one), ["ip_forward", always[0], always[1]]);
        assert_eq!(needed(&[], None, &BTreeSet::new()), []);
    }

    #[test]
    fn two_directors_exchange_connections_or_hash_alike() {
        let exchange = "[kernel.directors]\nsync_interface = \"eth0\"\n";
        let with = names(exchange, "edges = true\nscheduler = \"mh\"");
        assert!(has(&with, "sync_threshold") && !has(&with, "sloppy_tcp"), "{with:?}");
        let without = names("[kernel.directors]\n", "edges = true\nscheduler = \"mh\"");
        assert!(has(&without, "sloppy_tcp") && !has(&without, "sync_threshold"), "{without:?}");
    }

    #[test]
    fn answers_from_virtual_addresses_are_let_in_where_they_come_in() {
        let text = "[[kernel.service]]\nname = \"a\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true";
        let groups = parse_groups(text);
        let answering = ["eth0".to_owned(), "eth1.7".to_owned()].into();
        let needed: Vec<_> = needed(&groups, None, &answering).into_iter().map(|variable| variable.name).collect();
        assert_eq!(needed[..2], ["net/ipv4/conf/eth0/accept_local", "net/ipv4/conf/eth1.7/accept_local"]);
    }

    #[test]
    fn what_cannot_be_read_or_set_is_said() {
        let variable = Variable { name: Cow::Borrowed("net/no/such"), value: "1", reason: "a test" };
        let [finding] = &inspect(vec![variable], true)[..] else { panic!() };
        assert!(!finding.is_right() && finding.found.is_err() && finding.refused.is_some(), "{finding:?}");
    }
}
