//! Ports by number, name and range, and addresses with ports.

use std::net::{IpAddr, Ipv4Addr};

use super::MAX_RANGE;
use crate::model::PortRange;

/// The names of `/etc/services` that such files use. Other ports must be given by number.
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

/// A port, given by number or name.
pub(super) fn port(text: &str) -> Option<u16> {
    let named = || NAMES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port);
    number(text).or_else(named)
}

/// A range such as `1024:5000` or `1024-5000`, or a single port.
pub(super) fn range(text: &str) -> Option<PortRange> {
    match text.split_once([':', '-']) {
        Some((first, last)) => PortRange::new(number(first)?, number(last)?),
        None => port(text).map(PortRange::from),
    }
}

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`, or an address alone. Host names are not accepted.
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

/// The addresses from `first` to `last`; `None` if the range is empty or has more than [`MAX_RANGE`].
pub(super) fn addresses(first: Ipv4Addr, last: Ipv4Addr) -> Option<Vec<IpAddr>> {
    let (first, last) = (u32::from(first), u32::from(last));
    let count = last.checked_sub(first)? as usize;
    (count < MAX_RANGE).then(|| (first..=last).map(|address| Ipv4Addr::from(address).into()).collect())
}

/// Prefix length of a netmask; `None` if its bits are not contiguous.
pub(super) fn prefix(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    let length = bits.leading_ones();
    // A shift by all 32 bits overflows; nothing is left of the mask then.
    (bits.checked_shl(length).unwrap_or(0) == 0).then(|| u8::try_from(length).ok()).flatten()
}

/// A number of digits only. Rust's parser also accepts a sign.
fn number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_with_and_without_a_port() {
        assert_eq!(address_and_port("192.0.2.1:rtsp"), Some(("192.0.2.1".parse().unwrap(), Some(554))));
        assert_eq!(address_and_port("[2001:db8::1]:80"), Some(("2001:db8::1".parse().unwrap(), Some(80))));
        assert_eq!(address_and_port("2001:db8::1"), Some(("2001:db8::1".parse().unwrap(), None)));
        for text in ["", "server:80", "192.0.2.1:+8", "192.0.2.1:", "[2001:db8::1", "[192.0.2.1]:80"] {
            assert_eq!(address_and_port(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_are_ascending_and_limited() {
        let [first, last] = [Ipv4Addr::new(10, 0, 0, 254), Ipv4Addr::new(10, 0, 1, 1)];
        assert_eq!(addresses(first, last).unwrap().len(), 4);
        assert_eq!(addresses(last, first), None);
        assert_eq!(addresses(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST), None);
    }

    #[test]
    fn netmasks_become_prefix_lengths() {
        for (mask, expected) in
            [("255.255.255.0", Some(24)), ("255.255.255.255", Some(32)), ("0.0.0.0", Some(0)), ("255.0.255.0", None)]
        {
            assert_eq!(prefix(mask.parse().unwrap()), expected, "{mask}");
        }
    }
}
