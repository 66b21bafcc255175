//! keepalived's configuration for a pair of directors. keepalived only moves the virtual addresses.
//!
//! Measured with a real kernel: with an advertisement every 0.2 s, the addresses move within 0.6 s. After a preempt
//! delay of 9 s, every connection had been synchronised to the returning director.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

/// Seconds that a director with the higher priority waits before it takes the addresses back. Connections are
/// synchronised again every 4 s (`sync_refresh_period`), so within 9 s it receives each twice.
const PREEMPT_DELAY: u32 = 9;
/// Seconds between two advertisements (RFC 9568 section 5.2.7, in hundredths). Three missed ones are a failure.
const ADVERTISEMENT: &str = "0.2";

/// A director of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Director {
    /// The director that has the addresses while both are healthy.
    First,
    /// The other director.
    Second,
}

/// Settings of the pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The virtual addresses. All move together.
    pub addresses: Vec<IpAddr>,
    /// Interface for VRRP advertisements and for the addresses.
    pub interface: String,
    /// Interfaces of addresses that are on another one.
    pub interfaces: BTreeMap<IpAddr, String>,
    /// Identifier of the pair, 1 to 255 (`virtual_router_id`, RFC 9568 section 5.2.3).
    pub id: u32,
    /// File to which Weir writes 0 when it is healthy, -100 for a planned hand-over, -254 on a fault.
    pub track_file: PathBuf,
    /// Named pipe to which keepalived writes the state of this director.
    pub notify_fifo: PathBuf,
}

/// Why a configuration cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no address to move.
    #[error("no virtual addresses; give each [[kernel.service]] its `addresses`")]
    NoAddresses,
    /// A name has characters that have a meaning in keepalived's configuration.
    #[error("`{0}` cannot be written to keepalived's configuration; use only letters, digits and . _ - /")]
    Unwritable(String),
}

impl Director {
    /// VRRP priority. A planned hand-over lowers it by 100: the first director's is then below the second's, and the
    /// second's is still at least 1, the minimum of VRRP.
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
    /// `keepalived.conf` of a director.
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
        // A VRRP instance advertises addresses of one family: IPv4 if there is one. The others move with it
        // unadvertised.
        let is_first_family = |address: &IpAddr| address.is_ipv4() == addresses.iter().any(IpAddr::is_ipv4);
        let (advertised, excluded): (Vec<IpAddr>, Vec<IpAddr>) =
            addresses.iter().partition(|address| is_first_family(address));
        if advertised.is_empty() {
            return Err(Error::NoAddresses);
        }
        let (id, priority) = (self.id, director.priority());
        let mut out = format!(
            "# keepalived.conf of the {director} director. keepalived moves the virtual addresses; Weir manages all else.
global_defs {{
    router_id weir-{director}
    vrrp_version 3
    # Reports the VRRP state of this director to Weir.
    vrrp_notify_fifo {notify_fifo}
    vrrp_skip_check_adv_addr
}}

# Weir writes 0 when it is healthy, -100 for a planned hand-over, -254 on a fault.
track_file weir {{
    file {track_file}
    weight 1
    # Value until Weir writes one.
    init_file -254
}}

vrrp_instance weir {{
    # Both directors start without the addresses. The priority decides, and a returning director waits.
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
        self.block(&mut out, "virtual_ipaddress", &advertised)?;
        if !excluded.is_empty() {
            self.block(&mut out, "virtual_ipaddress_excluded", &excluded)?;
        }
        out += "}\n";
        Ok(out)
    }

    fn block(&self, out: &mut String, name: &str, addresses: &[IpAddr]) -> Result<(), Error> {
        // Writing to a string cannot fail; so below.
        let _ = writeln!(out, "    {name} {{");
        for address in addresses {
            // keepalived deprecates an IPv6 address with 128 bits, so that it is not the source of the director's own
            // packets.
            let length = if address.is_ipv4() { 32 } else { 128 };
            let device = self.interfaces.get(address).map(|device| word(device)).transpose()?;
            let device = device.map(|device| format!(" dev {device}")).unwrap_or_default();
            let _ = writeln!(out, "        {address}/{length}{device}");
        }
        *out += "    }\n";
        Ok(())
    }
}

/// Returns `text` if keepalived reads it as a single word.
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
            interfaces: BTreeMap::new(),
            id: 51,
            track_file: "/run/weir/track".into(),
            notify_fifo: "/run/weir/notify".into(),
        }
    }

    #[test]
    fn a_planned_hand_over_puts_the_first_director_below_the_second() {
        assert!(Director::First.priority() > Director::Second.priority());
        assert!(Director::First.priority() - 100 < Director::Second.priority());
        assert!(Director::Second.priority() - 100 >= 1);
    }

    #[test]
    fn both_families_move_together() {
        let text = pair(&["2001:db8::10", "192.0.2.10", "192.0.2.10"]).configuration(Director::First).unwrap();
        assert_eq!(text.matches("192.0.2.10/32").count(), 1);
        let (advertised, excluded) = text.split_once("virtual_ipaddress_excluded").unwrap();
        assert!(advertised.contains("192.0.2.10/32") && excluded.contains("2001:db8::10/128"), "{text}");
        let alone = pair(&["2001:db8::10"]).configuration(Director::First).unwrap();
        assert!(!alone.contains("excluded"), "{alone}");
    }

    #[test]
    fn an_address_may_be_on_another_interface() {
        let mut pair = pair(&["192.0.2.10", "192.0.2.11"]);
        pair.interfaces.insert("192.0.2.11".parse().unwrap(), "bond0.103".to_owned());
        let text = pair.configuration(Director::Second).unwrap();
        assert!(text.contains("192.0.2.10/32\n") && text.contains("192.0.2.11/32 dev bond0.103\n"), "{text}");
    }

    #[test]
    fn names_that_keepalived_would_misread_are_refused() {
        assert_eq!(pair(&[]).configuration(Director::First), Err(Error::NoAddresses));
        let odd = Pair { interface: "eth0 }".to_owned(), ..pair(&["192.0.2.10"]) };
        assert!(matches!(odd.configuration(Director::Second), Err(Error::Unwritable(_))));
    }
}
