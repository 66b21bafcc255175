//! Writes small MaxMind DB files (<https://maxmind.github.io/MaxMind-DB/>), for tests: behind the feature `testing`.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be created is a failed test")]

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// The destination of a branch of the search tree.
#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    /// The record at this offset in the data section.
    Record(usize),
}

/// A database of countries, for IPv4 and IPv6.
pub struct Database {
    nodes: Vec<[Branch; 2]>,
    data: Vec<u8>,
    records: BTreeMap<(String, String), usize>,
}

impl Default for Database {
    fn default() -> Self {
        Self { nodes: vec![[Branch::Nothing; 2]], data: Vec::new(), records: BTreeMap::new() }
    }
}

impl Database {
    /// Adds a network. Networks must not overlap.
    pub fn add(&mut self, network: IpNet, country: &str, continent: &str) {
        let record = self.record(country, continent);
        // IPv4 is at ::/96 of the tree.
        let (bits, length) = match network.network() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), network.prefix_len() + 96),
            IpAddr::V6(address) => (u128::from(address), network.prefix_len()),
        };
        let turn = |depth: u8| usize::from(bits >> (127 - depth) & 1 == 1);
        let mut node = 0;
        for depth in 0..length - 1 {
            node = match self.nodes[node][turn(depth)] {
                Branch::Node(next) => next,
                _ => {
                    self.nodes.push([Branch::Nothing; 2]);
                    self.nodes[node][turn(depth)] = Branch::Node(self.nodes.len() - 1);
                    self.nodes.len() - 1
                }
            };
        }
        self.nodes[node][turn(length - 1)] = Branch::Record(record);
    }

    /// Returns the contents of the file, with records of 24, 28 or 32 bits.
    pub fn to_bytes(&self, record_size: u16) -> Vec<u8> {
        let count = self.nodes.len();
        let number = |branch: Branch| match branch {
            Branch::Nothing => count,
            Branch::Node(node) => node,
            Branch::Record(offset) => count + 16 + offset,
        };
        let mut bytes = Vec::new();
        for node in &self.nodes {
            let [left, right] = node.map(|branch| u32::try_from(number(branch)).unwrap().to_be_bytes());
            match record_size {
                24 => bytes.extend([&left[1..], &right[1..]].concat()),
                28 => bytes.extend([&left[1..], &[left[0] << 4 | right[0]], &right[1..]].concat()),
                _ => bytes.extend([left, right].concat()),
            }
        }
        bytes.extend([0; 16]);
        bytes.extend(&self.data);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("binary_format_major_version", unsigned(5, 2)),
            ("binary_format_minor_version", unsigned(5, 0)),
            ("build_epoch", unsigned(9, 1_700_000_000)),
            ("database_type", text("Test")),
            ("description", map(&[("en", text("Test"))])),
            ("ip_version", unsigned(5, 6)),
            ("languages", control(11, 0)),
            ("node_count", unsigned(6, u32::try_from(count).unwrap())),
            ("record_size", unsigned(5, record_size.into())),
        ]));
        bytes
    }

    /// Returns the offset of the record for this country and continent.
    fn record(&mut self, country: &str, continent: &str) -> usize {
        *self.records.entry((country.to_owned(), continent.to_owned())).or_insert_with(|| {
            let offset = self.data.len();
            self.data.extend(map(&[
                ("continent", map(&[("code", text(continent)), ("names", map(&[("en", text("Somewhere"))]))])),
                ("country", map(&[("iso_code", text(country))])),
            ]));
            offset
        })
    }
}

/// Encodes type and size of a value. Types above 7 (arrays and 64-bit numbers here) take a second byte.
fn control(kind: u8, size: usize) -> Vec<u8> {
    let size = u8::try_from(size).unwrap();
    // Sizes from 29 on have another encoding, which is not needed here.
    assert!(size < 29);
    if kind > 7 { vec![size, kind - 7] } else { vec![kind << 5 | size] }
}

fn text(text: &str) -> Vec<u8> {
    [control(2, text.len()), text.into()].concat()
}

/// Encodes an unsigned number of 16 (kind 5), 32 (6) or 64 bits (9).
fn unsigned(kind: u8, value: u32) -> Vec<u8> {
    let size = if kind == 5 { 2 } else { 4 };
    [control(kind, size), value.to_be_bytes()[4 - size..].into()].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entry = |(key, value): &(&str, Vec<u8>)| [text(key), value.clone()].concat();
    [control(7, entries.len()), entries.iter().flat_map(entry).collect()].concat()
}
