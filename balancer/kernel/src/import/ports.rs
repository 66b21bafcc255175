//! Ports by number, by name and by range; and addresses with them.

use std::net::{IpAddr, Ipv4Addr};

use super::MOST_IN_RANGE;
use crate::model::PortRange;

/// The names of `/etc/services` that stand in such files; others are asked to be written as numbers.
const NAMES: [(&str, u16); 22] = [
    ("dns", 53),
    ("domain", 53),
    ("ftp", 21),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("ldap", 389),
    ("mysql", 3306),
    ("nntp", 119),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("radius", 1812),
    ("rtmp", 1935),
    ("rtsp", 554),
    ("sip", 5060),
    ("smtp", 25),
    ("ssh", 22),
    ("submission", 587),
    ("telnet", 23),
    ("www", 80),
];

/// A port's number, or what a name stands for.
pub(super) fn port(text: &str) -> Option<u16> {
    let named = || NAMES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port);
    number(text).or_else(named)
}

/// A range such as `1024:5000` or `1024-5000`, or one port.
pub(super) fn range(text: &str) -> Option<PortRange> {
    match text.split_once([':', '-']) {
        Some((first, last)) => PortRange::new(number(first)?, number(last)?),
        None => port(text).map(PortRange::from),
    }
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`, or an address alone. A name in place of an address is none.
pub(super) fn address_and_port(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address = address.parse().ok().map(IpAddr::V6)?;
        return match rest.strip_prefix(':') {
            Some(text) => Some((address, Some(port(text)?))),
            None => rest.is_empty().then_some((address, None)),
        };
    }
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let (address, text) = text.rsplit_once(':')?;
    Some((address.parse::<Ipv4Addr>().ok()?.into(), Some(port(text)?)))
}

/// The addresses from one to another; `None` when that is none, or more than a range may stand for.
pub(super) fn addresses(first: Ipv4Addr, last: Ipv4Addr) -> Option<Vec<IpAddr>> {
    let (first, last) = (u32::from(first), u32::from(last));
    let count = last.checked_sub(first)? as usize;
    (count < MOST_IN_RANGE).then(|| (first..=last).map(|address| Ipv4Addr::from(address).into()).collect())
}

/// How many of an address's bits a netmask keeps; `None` unless they are its first.
pub(super) fn prefix(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let length = bits.leading_ones();
    (bits.checked_shl(length).unwrap_or(0) == 0).then(|| u8::try_from(length).ok()).flatten()
}

/// Digits only: Rust takes a sign as well.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_none() {
        assert_eq!(address_and_port("192.0.2.1:rtsp"), Some(("192.0.2.1".parse().unwrap(), Some(554))));
        assert_eq!(address_and_port("[2001:db8::1]:80"), Some(("2001:db8::1".parse().unwrap(), Some(80))));
        assert_eq!(address_and_port("2001:db8::1"), Some(("2001:db8::1".parse().unwrap(), None)));
        for text in ["", "server:80", "192.0.2.1:+8", "192.0.2.1:", "[2001:db8::1", "[192.0.2.1]:80"] {
            assert_eq!(address_and_port(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_has_an_order_and_an_end() {
        let [first, last] = [Ipv4Addr::new(10, 0, 0, 254), Ipv4Addr::new(10, 0, 1, 1)];
        assert_eq!(addresses(first, last).unwrap().len(), 4);
        assert_eq!(addresses(last, first), None);
        assert_eq!(addresses(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST), None);
    }

    #[test]
    fn a_netmask_keeps_the_first_bits() {
        for (mask, expected) in
            [("255.255.255.0", Some(24)), ("255.255.255.255", Some(32)), ("0.0.0.0", Some(0)), ("255.0.255.0", None)]
        {
            assert_eq!(prefix(mask.parse().unwrap()), expected, "{mask}");
        }
    }
}
