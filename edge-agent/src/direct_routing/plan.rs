//! What there is, what is to be, and the steps between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// A setting of ARP, which keeps a machine from telling that it has an address. IPv6 needs none: the kernel tells nobody
/// of loopback's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// Which requests are answered. 1: those for an address of the interface that they come in on.
    Ignore,
    /// Which address stands in the machine's own requests. 2: the best one of the interface that they go out of.
    Announce,
}

impl Setting {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ignore, Self::Announce];

    /// Its name below `net.ipv4.conf.INTERFACE` (ip-sysctl of the kernel's documentation).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ignore => "arp_ignore",
            Self::Announce => "arp_announce",
        }
    }

    /// The setting of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }

    /// What it is set to.
    #[must_use]
    pub fn wanted(self) -> u8 {
        match self {
            Self::Ignore => 1,
            Self::Announce => 2,
        }
    }

    /// Whether loopback's addresses are kept silent by this value. 3 of `arp_ignore` only hides addresses of the scope
    /// of a host, and 4 to 7 mean nothing.
    #[must_use]
    pub fn hides(self, value: u8) -> bool {
        match self {
            Self::Ignore => matches!(value, 1 | 2 | 8),
            Self::Announce => value == 2,
        }
    }
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The addresses that loopback has.
    pub held: BTreeSet<IpAddr>,
    /// The settings by interface; `all` is one of them.
    pub settings: BTreeMap<(String, Setting), u8>,
}

/// The interface whose settings hold for all others, too: the kernel goes by the greater one.
pub const ALL: &str = "all";

impl State {
    /// What holds for an interface.
    fn effective(&self, interface: &str, setting: Setting) -> u8 {
        let value = |interface: &str| self.settings.get(&(interface.to_owned(), setting)).copied().unwrap_or_default();
        value(interface).max(value(ALL))
    }
}

/// A change. It is shown as the command that does the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Loopback gets an address.
    Add(IpAddr),
    /// It loses one.
    Remove(IpAddr),
    /// The setting for all interfaces gets another value.
    Set(Setting, u8),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
        match self {
            // An address that must not be the source of the machine's own packets is one that is no longer preferred.
            Self::Add(address) if address.is_ipv6() => {
                write!(f, "ip address add {address}/128 dev lo nodad preferred_lft 0")
            }
            Self::Add(address) => write!(f, "ip address add {address}/{} dev lo", length(address)),
            Self::Remove(address) => write!(f, "ip address delete {address}/{} dev lo", length(address)),
            Self::Set(setting, value) => write!(f, "sysctl -w net.ipv4.conf.{ALL}.{}={value}", setting.name()),
        }
    }
}

/// The steps that make a real server of a machine: silence first, so that no address is ever told of.
#[must_use]
pub fn prepare(wanted: &BTreeSet<IpAddr>, state: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    if wanted.iter().any(IpAddr::is_ipv4) {
        let speaks = |setting: &Setting| !setting.hides(state.effective(ALL, *setting));
        steps.extend(Setting::ALL.into_iter().filter(speaks).map(|setting| Step::Set(setting, setting.wanted())));
    }
    steps.extend(wanted.difference(&state.held).map(|address| Step::Add(*address)));
    steps
}

/// Something that keeps the machine from being a real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Loopback does not have the address: packets for it are not taken.
    NotHeld(IpAddr),
    /// By this setting others are told of the address, on this interface.
    Told {
        /// The interface.
        interface: String,
        /// The setting.
        setting: Setting,
        /// What holds there: the greater one of the interface's value and that for all.
        value: u8,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHeld(address) => write!(f, "loopback does not have {address}: run this with `apply`"),
            Self::Told { interface, setting, value } => {
                let (name, wanted) = (setting.name(), setting.wanted());
                write!(
                    f,
                    "{name} is {value} on {interface}, which tells of loopback's addresses: set \
                     net.ipv4.conf.{interface}.{name} to {wanted}"
                )
            }
        }
    }
}

/// What keeps the machine from being a real server for these addresses; nothing when all is well.
#[must_use]
pub fn verify(wanted: &BTreeSet<IpAddr>, state: &State) -> Vec<Finding> {
    let mut findings: Vec<Finding> = wanted.difference(&state.held).map(|address| Finding::NotHeld(*address)).collect();
    if wanted.iter().any(IpAddr::is_ipv4) {
        // `default` is no interface, and loopback has no neighbours.
        let interfaces = state.settings.keys().filter(|(name, _)| name != "default" && name != "lo");
        for (interface, setting) in interfaces {
            let value = state.effective(interface, *setting);
            if !setting.hides(value) {
                findings.push(Finding::Told { interface: interface.clone(), setting: *setting, value });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(held: &[&str], settings: &[(&str, Setting, u8)]) -> State {
        State {
            held: held.iter().map(|address| address.parse().unwrap()).collect(),
            settings: settings.iter().map(|(name, setting, value)| (((*name).to_owned(), *setting), *value)).collect(),
        }
    }

    fn wanted(addresses: &[&str]) -> BTreeSet<IpAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    const FRESH: [(&str, Setting, u8); 4] = [
        (ALL, Setting::Ignore, 0),
        (ALL, Setting::Announce, 0),
        ("eth0", Setting::Ignore, 0),
        ("eth0", Setting::Announce, 0),
    ];

    #[test]
    fn silence_comes_ahead_of_the_address() {
        let steps = prepare(&wanted(&["192.0.2.10", "2001:db8::10"]), &state(&["127.0.0.1"], &FRESH));
        let commands: Vec<String> = steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            commands,
            [
                "sysctl -w net.ipv4.conf.all.arp_ignore=1",
                "sysctl -w net.ipv4.conf.all.arp_announce=2",
                "ip address add 192.0.2.10/32 dev lo",
                "ip address add 2001:db8::10/128 dev lo nodad preferred_lft 0",
            ]
        );
    }

    #[test]
    fn what_is_there_is_left_as_it_is() {
        let settings = [(ALL, Setting::Ignore, 2), (ALL, Setting::Announce, 2)];
        assert_eq!(prepare(&wanted(&["192.0.2.10"]), &state(&["192.0.2.10"], &settings)), []);
        // IPv6 alone needs no silence.
        assert_eq!(prepare(&wanted(&["2001:db8::10"]), &state(&["2001:db8::10"], &FRESH)), []);
    }

    #[test]
    fn an_interface_that_tells_is_found() {
        let settings = [(ALL, Setting::Ignore, 1), ("eth0", Setting::Ignore, 3), ("eth1", Setting::Ignore, 0)];
        let findings = verify(&wanted(&["192.0.2.10"]), &state(&["192.0.2.10"], &settings));
        let expected = Finding::Told { interface: "eth0".to_owned(), setting: Setting::Ignore, value: 3 };
        assert_eq!(findings, [expected]);
    }

    proptest! {
        #[test]
        fn what_was_prepared_is_well(
            held in proptest::collection::btree_set(0..4_u8, 0..4),
            wanted in proptest::collection::btree_set(0..4_u8, 1..4),
            ignore in 0..9_u8,
            announce in 0..3_u8,
        ) {
            let address = |number: &u8| IpAddr::from([192, 0, 2, *number]);
            let mut state = state(&[], &[(ALL, Setting::Ignore, ignore), (ALL, Setting::Announce, announce)]);
            state.held = held.iter().map(address).collect();
            let wanted = wanted.iter().map(address).collect();
            for step in prepare(&wanted, &state) {
                match step {
                    Step::Add(address) => prop_assert!(state.held.insert(address)),
                    Step::Set(setting, value) => _ = state.settings.insert((ALL.to_owned(), setting), value),
                    Step::Remove(_) => prop_assert!(false, "nothing is taken away"),
                }
            }
            prop_assert_eq!(verify(&wanted, &state), []);
        }
    }
}
