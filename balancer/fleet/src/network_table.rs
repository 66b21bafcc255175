//! The zone of an address, by longest prefix match.
//!
//! Two networks are nested or disjoint, so that any set of networks divides the addresses into ranges with one zone
//! each. The ranges are computed once, in order, and a lookup is a binary search in one array of numbers: 17
//! comparisons for 100,000 networks, in 4 bytes per IPv4 range. A trie would compare bit by bit, follow a pointer for
//! each bit, and take several times the memory. Its advantage, changing single networks, is not needed here.

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::zone_id::ZoneId;

/// Networks and their zones. IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2) are treated as IPv4.
#[derive(Clone, Debug, Default)]
pub struct NetworkTable {
    v4: Ranges,
    v6: WideRanges,
}

impl NetworkTable {
    /// Returns a table of these networks. A network inside another takes precedence; of the same network twice, the
    /// later.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = (IpNet, ZoneId)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, zone) in networks {
            match canonical(network) {
                IpNet::V4(network) => v4.push((network.network().into(), network.broadcast().into(), zone)),
                IpNet::V6(network) => v6.push((network.network().into(), network.broadcast().into(), zone)),
            }
        }
        Self { v4: Ranges::new(v4), v6: WideRanges::new(v6) }
    }

    /// Returns the zone of the smallest network that contains `address`. Allocates nothing and takes no lock.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<ZoneId> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.of(address.into()),
            IpAddr::V6(address) => self.v6.of(address.into()),
        }
    }

    /// Returns the number of ranges. An IPv4 range takes 8 bytes of memory, and an IPv6 range 20.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.v4.starts.len() + self.v6.highs.len()
    }
}

/// Returns the network without bits beyond its prefix, and as IPv4 if it contains only IPv4-mapped addresses.
#[must_use]
pub(super) fn canonical(network: IpNet) -> IpNet {
    let network = network.trunc();
    let mapped = match network.network() {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    let as_v4 = || IpNet::new(mapped?.into(), network.prefix_len().checked_sub(96)?).ok();
    as_v4().unwrap_or(network)
}

/// The IPv4 addresses, divided into ranges.
#[derive(Clone, Debug, Default)]
struct Ranges {
    /// The first address of each range, in order. A range extends to the start of the next one. There is no zone before
    /// the first.
    starts: Box<[u32]>,
    /// The zone of each range. A separate array, so that the search touches as little memory as possible.
    zones: Box<[Option<ZoneId>]>,
}

impl Ranges {
    fn new(networks: Vec<(u32, u32, ZoneId)>) -> Self {
        let (starts, zones): (Vec<_>, Vec<_>) = divide(networks, |last| last.checked_add(1)).into_iter().unzip();
        Self { starts: starts.into(), zones: zones.into() }
    }

    fn of(&self, address: u32) -> Option<ZoneId> {
        let count = self.starts.partition_point(|start| *start <= address);
        *self.zones.get(count.checked_sub(1)?)?
    }
}

/// The IPv6 addresses, divided into ranges. Addresses are kept in halves: hardly any range starts within a /64, and a
/// search of 64-bit numbers was measured to be five times as fast as one of 128-bit numbers, which no processor
/// compares in one step.
#[derive(Clone, Debug, Default)]
struct WideRanges {
    highs: Box<[u64]>,
    lows: Box<[u64]>,
    zones: Box<[Option<ZoneId>]>,
}

impl WideRanges {
    fn new(networks: Vec<(u128, u128, ZoneId)>) -> Self {
        let cuts = divide(networks, |last| last.checked_add(1));
        Self {
            highs: cuts.iter().map(|(start, _)| halves(*start).0).collect(),
            lows: cuts.iter().map(|(start, _)| halves(*start).1).collect(),
            zones: cuts.iter().map(|(_, zone)| *zone).collect(),
        }
    }

    fn of(&self, address: u128) -> Option<ZoneId> {
        let (high, low) = halves(address);
        let last = self.highs.partition_point(|start| *start <= high).checked_sub(1)?;
        if self.highs[last] < high || self.lows[last] <= low {
            return self.zones[last];
        }
        // Some ranges start within the /64 of the address, and the last of them after the address.
        let first = self.highs[..last].partition_point(|start| *start < high);
        let count = first + self.lows[first..last].partition_point(|start| *start <= low);
        self.zones[count.checked_sub(1)?]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "each half has 64 bits")]
const fn halves(bits: u128) -> (u64, u64) {
    ((bits >> 64) as u64, bits as u64)
}

/// Divides addresses into ranges by networks, given by their first and last addresses. Returns the start of each range,
/// in order, and its zone. `after` returns the next address.
fn divide<A: Copy + Ord>(
    mut networks: Vec<(A, A, ZoneId)>,
    after: impl Fn(A) -> Option<A>,
) -> Vec<(A, Option<ZoneId>)> {
    // An outer network sorts before those inside it.
    networks.sort_by_key(|&(first, last, _)| (first, Reverse(last)));
    let mut cuts = Cuts(Vec::new());
    // The networks around the current address, the innermost last.
    let mut around: Vec<(A, ZoneId)> = Vec::new();
    for (first, last, zone) in networks {
        cuts.leave(&mut around, &after, |end| end < first);
        cuts.cut(first, Some(zone));
        around.push((last, zone));
    }
    cuts.leave(&mut around, &after, |_| true);
    cuts.0
}

/// The addresses at which the zone changes, and the zone from there on.
struct Cuts<A>(Vec<(A, Option<ZoneId>)>);

impl<A: Copy + Ord> Cuts<A> {
    /// Leaves the networks of `around` whose last address is passed, the innermost first.
    fn leave(&mut self, around: &mut Vec<(A, ZoneId)>, after: &impl Fn(A) -> Option<A>, is_passed: impl Fn(A) -> bool) {
        while let Some((last, _)) = around.pop_if(|(last, _)| is_passed(*last)) {
            // Nothing follows the last address of all.
            if let Some(next) = after(last) {
                self.cut(next, around.last().map(|&(_, zone)| zone));
            }
        }
    }

    /// Starts a range with `zone` at `start`. Adjacent ranges with the same zone are merged.
    fn cut(&mut self, start: A, zone: Option<ZoneId>) {
        self.0.pop_if(|(other, _)| *other == start);
        if self.0.last().and_then(|(_, before)| *before) != zone {
            self.0.push((start, zone));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn table(networks: &[(&str, u16)]) -> NetworkTable {
        NetworkTable::new(networks.iter().map(|(network, zone)| (network.parse().unwrap(), ZoneId::at(*zone))))
    }

    fn of(table: &NetworkTable, address: &str) -> Option<u16> {
        table.of(address.parse().unwrap()).map(|zone| u16::try_from(zone.index()).unwrap())
    }

    #[test]
    fn the_smallest_network_around_an_address_is_found() {
        let table = table(&[("10.1.0.0/16", 1), ("10.0.0.0/8", 0), ("10.1.2.3/32", 2), ("2001:db8::/32", 3)]);
        assert_eq!(of(&table, "10.0.0.1"), Some(0));
        assert_eq!(of(&table, "10.1.2.2"), Some(1));
        assert_eq!(of(&table, "10.1.2.3"), Some(2));
        assert_eq!(of(&table, "10.1.2.4"), Some(1));
        assert_eq!(of(&table, "10.255.255.255"), Some(0));
        assert_eq!(of(&table, "11.0.0.0"), None);
        assert_eq!(of(&table, "9.255.255.255"), None);
        assert_eq!(of(&table, "2001:db8::1"), Some(3));
        assert_eq!(of(&table, "2001:db9::"), None);
    }

    #[test]
    fn an_ipv4_mapped_address_is_the_same_as_an_ipv4_address() {
        let table = table(&[("192.0.2.0/24", 0), ("::ffff:198.51.100.0/120", 1), ("::/0", 2)]);
        assert_eq!(of(&table, "::ffff:192.0.2.1"), Some(0));
        assert_eq!(of(&table, "198.51.100.1"), Some(1));
        assert_eq!(of(&table, "203.0.113.1"), None);
        assert_eq!(of(&table, "2001:db8::1"), Some(2));
    }

    #[test]
    fn the_first_and_the_last_address_of_all_have_a_zone() {
        let table = table(&[("0.0.0.0/0", 0), ("255.255.255.255/32", 1), ("::/0", 0), ("ff00::/8", 1)]);
        assert_eq!(of(&table, "0.0.0.0"), Some(0));
        assert_eq!(of(&table, "255.255.255.254"), Some(0));
        assert_eq!(of(&table, "255.255.255.255"), Some(1));
        assert_eq!(of(&table, "::"), Some(0));
        assert_eq!(of(&table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), Some(1));
    }

    #[test]
    fn networks_within_one_64_are_distinguished() {
        let table = table(&[("2001:db8::/32", 0), ("2001:db8::10/124", 1), ("2001:db8::30/124", 2)]);
        for (address, zone) in
            [("::1", 0), ("::10", 1), ("::1f", 1), ("::20", 0), ("::30", 2), ("::40", 0), (":1::", 0)]
        {
            assert_eq!(of(&table, &format!("2001:db8{address}")), Some(zone), "{address}");
        }
        assert_eq!(of(&table, "2001:db7:ffff:ffff::10"), None);
    }

    #[test]
    fn adjacent_networks_of_one_zone_share_a_range() {
        let halves = table(&[("10.0.0.0/9", 0), ("10.128.0.0/9", 0), ("10.3.0.0/16", 0)]);
        // One range with the zone, and one after it.
        assert_eq!(halves.ranges(), 2);
    }

    /// The expected result, found by looking at every network.
    fn scan(networks: &[(IpNet, ZoneId)], address: IpAddr) -> Option<ZoneId> {
        let around = networks.iter().filter(|(network, _)| canonical(*network).contains(&address.to_canonical()));
        around.max_by_key(|(network, _)| canonical(*network).prefix_len()).map(|(_, zone)| *zone)
    }

    /// Addresses close to each other, so that networks are nested and contain some of them.
    fn address() -> impl Strategy<Value = IpAddr> {
        let near = prop_oneof![0..4_u32, 0..0x0003_0000_u32, (u32::MAX - 0x0003_0000)..=u32::MAX, any::<u32>()];
        let wide = |(high, low): (u32, u32)| u128::from(high) << 96 | u128::from(high % 4) << 64 | u128::from(low);
        prop_oneof![
            near.clone().prop_map(|bits| Ipv4Addr::from(bits).into()),
            near.clone().prop_map(|bits| Ipv4Addr::from(bits).to_ipv6_mapped().into()),
            (near.clone(), near).prop_map(move |bits| Ipv6Addr::from(wide(bits)).into()),
        ]
    }

    fn network() -> impl Strategy<Value = (IpNet, ZoneId)> {
        (address(), 0..=128_u8, 0..4_u16).prop_map(|(address, prefix, zone)| {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            (IpNet::new(address, prefix % (longest + 1)).unwrap(), ZoneId::at(zone))
        })
    }

    proptest! {
        #[test]
        fn the_table_finds_the_same_zone_as_a_scan_of_every_network(
            networks in proptest::collection::vec(network(), 0..40),
            addresses in proptest::collection::vec(address(), 1..40),
        ) {
            let table = NetworkTable::new(networks.iter().copied());
            // Errors are most likely at the bounds of networks.
            let bounds = networks.iter().flat_map(|(network, _)| [network.network(), network.broadcast()]);
            for address in addresses.into_iter().chain(bounds) {
                prop_assert_eq!(table.of(address), scan(&networks, address), "{}", address);
            }
        }
    }
}
