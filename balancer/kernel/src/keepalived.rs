//! keepalived's configurations for a pair of directors: keepalived moves the virtual addresses, and nothing else.
//!
//! The figures are those that were measured in a real kernel: with an advertisement each 0.2 s the addresses move within
//! 0.6 s, and with 9 s before they move back every connection was known to the other director by then.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

/// Seconds that a director with the higher priority waits before it takes the addresses back: connections are handed over
/// again each 4 s (`sync_refresh_period`), so in 9 s it hears of each twice.
const PREEMPT_DELAY: u32 = 9;
/// Seconds between two advertisements (RFC 9568 section 5.2.7, in hundredths). Three missed ones are a failure.
const ADVERTISEMENT: &str = "0.2";

/// Which of the two directors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Director {
    /// The one that has the addresses while both are fit.
    First,
    /// The other.
    Second,
}

/// What the two have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The virtual addresses; all move together.
    pub addresses: Vec<IpAddr>,
    /// The interface on which the directors hear each other, and that has the addresses.
    pub interface: String,
    /// The interfaces of addresses that have another one.
    pub elsewhere: BTreeMap<IpAddr, String>,
    /// The number of the pair, 1 to 255 (`virtual_router_id`, RFC 9568 section 5.2.3).
    pub id: u32,
    /// Where Weir says how fit it is: 0, -100 for a planned hand-over, -254 when unfit.
    pub track_file: PathBuf,
    /// Where keepalived says which of the two this director is.
    pub notify_fifo: PathBuf,
}

/// Why there is no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing would move.
    #[error("there are no virtual addresses: give each [[kernel.service]] its `addresses`")]
    NoAddresses,
    /// A name that keepalived would read as something else.
    #[error("`{0}` cannot stand in keepalived's configuration: use letters, digits and . _ - / only")]
    Unwritable(String),
}

impl Director {
    /// Its priority. A planned hand-over takes 100 from it: the first is then below the second, and the second never has
    /// less than the 1 that VRRP needs.
    #[must_use]
    pub fn priority(self) -> u8 {
        match self {
            Self::First => 150,
            Self::Second => 101,
        }
    }
}

impl fmt::Display for Director {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

impl Pair {
    /// `keepalived.conf` of one of the two.
    ///
    /// # Errors
    /// [`Error`].
    pub fn configuration(&self, director: Director) -> Result<String, Error> {
        let interface = word(&self.interface)?;
        let (track_file, notify_fifo) = (self.track_file.to_string_lossy(), self.notify_fifo.to_string_lossy());
        let (track_file, notify_fifo) = (word(&track_file)?, word(&notify_fifo)?);
        let mut addresses = self.addresses.clone();
        addresses.sort_unstable();
        addresses.dedup();
        // An instance of VRRP speaks of one family, IPv4 where there is any; the others move with it unspoken.
        let is_first_family = |address: &IpAddr| address.is_ipv4() == addresses.iter().any(IpAddr::is_ipv4);
        let (spoken, unspoken): (Vec<IpAddr>, Vec<IpAddr>) =
            addresses.iter().partition(|address| is_first_family(address));
        if spoken.is_empty() {
            return Err(Error::NoAddresses);
        }
        let (id, priority) = (self.id, director.priority());
        let mut out = format!(
            "# keepalived.conf of the {director} director: keepalived moves the addresses, Weir does the rest.
global_defs {{
    router_id weir-{director}
    vrrp_version 3
    # By this Weir learns which director it is.
    vrrp_notify_fifo {notify_fifo}
    vrrp_skip_check_adv_addr
}}

# Weir writes how fit it is: 0, -100 for a planned hand-over, -254 when it is unfit.
track_file weir {{
    file {track_file}
    weight 1
    # Until Weir has said anything.
    init_file -254
}}

vrrp_instance weir {{
    # Neither begins with the addresses: priority decides, and a director that comes back waits.
    state BACKUP
    interface {interface}
    virtual_router_id {id}
    priority {priority}
    advert_int {ADVERTISEMENT}
    preempt_delay {PREEMPT_DELAY}
    track_file {{
        weir
    }}
"
        );
        self.block(&mut out, "virtual_ipaddress", &spoken)?;
        if !unspoken.is_empty() {
            self.block(&mut out, "virtual_ipaddress_excluded", &unspoken)?;
        }
        out += "}\n";
        Ok(out)
    }

    fn block(&self, out: &mut String, name: &str, addresses: &[IpAddr]) -> Result<(), Error> {
        let _ = writeln!(out, "    {name} {{");
        for address in addresses {
            // An IPv6 address of 128 bits is kept from being the source of the director's own packets.
            let length = if address.is_ipv4() { 32 } else { 128 };
            let device = self.elsewhere.get(address).map(|device| word(device)).transpose()?;
            let device = device.map(|device| format!(" dev {device}")).unwrap_or_default();
            let _ = writeln!(out, "        {address}/{length}{device}");
        }
        *out += "    }\n";
        Ok(())
    }
}

/// A word that keepalived reads as it stands.
fn word(text: &str) -> Result<&str, Error> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    let fits = !text.is_empty() && text.bytes().all(is_plain) && !text.starts_with('@');
    if fits { Ok(text) } else { Err(Error::Unwritable(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(addresses: &[&str]) -> Pair {
        Pair {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            interface: "eth0".to_owned(),
            elsewhere: BTreeMap::new(),
            id: 51,
            track_file: "/run/weir/track".into(),
            notify_fifo: "/run/weir/notify".into(),
        }
    }

    #[test]
    fn a_planned_hand_over_puts_the_first_behind_the_second() {
        assert!(Director::First.priority() > Director::Second.priority());
        assert!(Director::First.priority() - 100 < Director::Second.priority());
        assert!(Director::Second.priority() - 100 >= 1);
    }

    #[test]
    fn both_families_move_together() {
        let text = pair(&["2001:db8::10", "192.0.2.10", "192.0.2.10"]).configuration(Director::First).unwrap();
        assert_eq!(text.matches("192.0.2.10/32").count(), 1);
        let (spoken, unspoken) = text.split_once("virtual_ipaddress_excluded").unwrap();
        assert!(spoken.contains("192.0.2.10/32") && unspoken.contains("2001:db8::10/128"), "{text}");
        let alone = pair(&["2001:db8::10"]).configuration(Director::First).unwrap();
        assert!(!alone.contains("excluded"), "{alone}");
    }

    #[test]
    fn an_address_may_be_elsewhere() {
        let mut pair = pair(&["192.0.2.10", "192.0.2.11"]);
        pair.elsewhere.insert("192.0.2.11".parse().unwrap(), "bond0.103".to_owned());
        let text = pair.configuration(Director::Second).unwrap();
        assert!(text.contains("192.0.2.10/32\n") && text.contains("192.0.2.11/32 dev bond0.103\n"), "{text}");
    }

    #[test]
    fn what_keepalived_would_misread_is_refused() {
        assert_eq!(pair(&[]).configuration(Director::First), Err(Error::NoAddresses));
        let odd = Pair { interface: "eth0 }".to_owned(), ..pair(&["192.0.2.10"]) };
        assert!(matches!(odd.configuration(Director::Second), Err(Error::Unwritable(_))));
    }
}
