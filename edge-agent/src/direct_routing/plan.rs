//! The current settings, the required ones, and the steps between them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

/// An ARP setting that keeps a machine from announcing an address. IPv6 needs none: the kernel does not announce
/// addresses of the loopback interface there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// `arp_ignore`: which ARP requests are answered. 1: those for an address of the interface that receives them.
    Ignore,
    /// `arp_announce`: the source address of ARP requests. 2: the best address of the interface that sends them.
    Announce,
}

impl Setting {
    /// Both settings.
    pub const ALL: [Self; 2] = [Self::Ignore, Self::Announce];

    /// Returns the name below `net.ipv4.conf.INTERFACE` (Documentation/networking/ip-sysctl of the kernel).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ignore => "arp_ignore",
            Self::Announce => "arp_announce",
        }
    }

    /// Returns the setting with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }

    /// Returns the value to set.
    #[must_use]
    pub fn required(self) -> u8 {
        match self {
            Self::Ignore => 1,
            Self::Announce => 2,
        }
    }

    /// Returns whether this value hides the addresses of the loopback interface. `arp_ignore` 3 only hides addresses
    /// with host scope, and 4 to 7 are reserved.
    #[must_use]
    pub fn hides(self, value: u8) -> bool {
        match self {
            Self::Ignore => matches!(value, 1 | 2 | 8),
            Self::Announce => value == 2,
        }
    }
}

/// The current settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The addresses of the loopback interface.
    pub addresses: BTreeSet<IpAddr>,
    /// The ARP settings by interface, with [`ALL`] as one of the interfaces.
    pub settings: BTreeMap<(String, Setting), u8>,
}

/// The pseudo-interface whose settings apply to all interfaces: the greater value is effective.
pub const ALL: &str = "all";

impl State {
    /// Returns the value that is effective on an interface.
    fn effective(&self, interface: &str, setting: Setting) -> u8 {
        let value = |interface: &str| self.settings.get(&(interface.to_owned(), setting)).copied().unwrap_or_default();
        value(interface).max(value(ALL))
    }
}

/// A change of the settings. Its `Display` is the equivalent command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Add an address to the loopback interface.
    Add(IpAddr),
    /// Remove an address from the loopback interface.
    Remove(IpAddr),
    /// Set the value for all interfaces.
    Set(Setting, u8),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
        match self {
            // A deprecated address is never used as a source address.
            Self::Add(address) if address.is_ipv6() => {
                write!(f, "ip address add {address}/128 dev lo nodad preferred_lft 0")
            }
            Self::Add(address) => write!(f, "ip address add {address}/{} dev lo", length(address)),
            Self::Remove(address) => write!(f, "ip address delete {address}/{} dev lo", length(address)),
            Self::Set(setting, value) => write!(f, "sysctl -w net.ipv4.conf.{ALL}.{}={value}", setting.name()),
        }
    }
}

/// Returns the steps that make the machine a real server for these virtual addresses. ARP settings come first, so that
/// no address is ever announced.
#[must_use]
pub fn prepare(virtual_addresses: &BTreeSet<IpAddr>, state: &State) -> Vec<Step> {
    let mut steps = Vec::new();
    if virtual_addresses.iter().any(IpAddr::is_ipv4) {
        let announces = |setting: &Setting| !setting.hides(state.effective(ALL, *setting));
        steps.extend(Setting::ALL.into_iter().filter(announces).map(|setting| Step::Set(setting, setting.required())));
    }
    steps.extend(virtual_addresses.difference(&state.addresses).map(|address| Step::Add(*address)));
    steps
}

/// A reason why the machine cannot be a real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The loopback interface lacks the address, so that packets for it are not accepted.
    Missing(IpAddr),
    /// With this setting, addresses of the loopback interface are announced on the interface.
    Announced {
        /// The interface.
        interface: String,
        /// The setting.
        setting: Setting,
        /// The effective value: the greater one of the interface's and that of [`ALL`].
        value: u8,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(address) => write!(f, "the loopback interface lacks {address}; use `apply` to add it"),
            Self::Announced { interface, setting, value } => {
                let (name, required) = (setting.name(), setting.required());
                write!(
                    f,
                    "{name} is {value} on {interface}, which announces addresses of the loopback interface; set \
                     net.ipv4.conf.{interface}.{name} to {required}"
                )
            }
        }
    }
}

/// Returns why the machine cannot be a real server for these virtual addresses; empty when it can.
#[must_use]
pub fn verify(virtual_addresses: &BTreeSet<IpAddr>, state: &State) -> Vec<Finding> {
    let missing = virtual_addresses.difference(&state.addresses);
    let mut findings: Vec<Finding> = missing.map(|address| Finding::Missing(*address)).collect();
    if virtual_addresses.iter().any(IpAddr::is_ipv4) {
        // `default` is not an interface, and loopback has no neighbours.
        let interfaces = state.settings.keys().filter(|(name, _)| name != "default" && name != "lo");
        for (interface, setting) in interfaces {
            let value = state.effective(interface, *setting);
            if !setting.hides(value) {
                findings.push(Finding::Announced { interface: interface.clone(), setting: *setting, value });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(addresses: &[&str], settings: &[(&str, Setting, u8)]) -> State {
        State {
            addresses: set(addresses),
            settings: settings.iter().map(|(name, setting, value)| (((*name).to_owned(), *setting), *value)).collect(),
        }
    }

    fn set(addresses: &[&str]) -> BTreeSet<IpAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    const FRESH: [(&str, Setting, u8); 4] = [
        (ALL, Setting::Ignore, 0),
        (ALL, Setting::Announce, 0),
        ("eth0", Setting::Ignore, 0),
        ("eth0", Setting::Announce, 0),
    ];

    #[test]
    fn arp_settings_come_before_the_addresses() {
        let steps = prepare(&set(&["192.0.2.10", "2001:db8::10"]), &state(&["127.0.0.1"], &FRESH));
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
    fn existing_settings_that_suffice_are_left_alone() {
        let settings = [(ALL, Setting::Ignore, 2), (ALL, Setting::Announce, 2)];
        assert_eq!(prepare(&set(&["192.0.2.10"]), &state(&["192.0.2.10"], &settings)), []);
        // IPv6 needs no ARP settings.
        assert_eq!(prepare(&set(&["2001:db8::10"]), &state(&["2001:db8::10"], &FRESH)), []);
    }

    #[test]
    fn an_interface_that_announces_the_address_is_found() {
        let settings = [(ALL, Setting::Ignore, 1), ("eth0", Setting::Ignore, 3), ("eth1", Setting::Ignore, 0)];
        let findings = verify(&set(&["192.0.2.10"]), &state(&["192.0.2.10"], &settings));
        let expected = Finding::Announced { interface: "eth0".to_owned(), setting: Setting::Ignore, value: 3 };
        assert_eq!(findings, [expected]);
    }

    proptest! {
        #[test]
        fn a_prepared_machine_passes_verification(
            present in proptest::collection::btree_set(0..4_u8, 0..4),
            required in proptest::collection::btree_set(0..4_u8, 1..4),
            ignore in 0..9_u8,
            announce in 0..3_u8,
        ) {
            let address = |number: &u8| IpAddr::from([192, 0, 2, *number]);
            let mut state = state(&[], &[(ALL, Setting::Ignore, ignore), (ALL, Setting::Announce, announce)]);
            state.addresses = present.iter().map(address).collect();
            let required = required.iter().map(address).collect();
            for step in prepare(&required, &state) {
                match step {
                    Step::Add(address) => prop_assert!(state.addresses.insert(address)),
                    Step::Set(setting, value) => _ = state.settings.insert((ALL.to_owned(), setting), value),
                    Step::Remove(_) => prop_assert!(false, "nothing is removed"),
                }
            }
            prop_assert_eq!(verify(&required, &state), []);
        }
    }
}
