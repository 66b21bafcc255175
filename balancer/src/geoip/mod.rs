//! The networks of countries and continents, from a MaxMind DB file.
//!
//! The whole file is read once, and only the networks of configured zones are kept, in the same kind of table as the
//! configured networks. So both have the same cost per look-up, memory use depends on the zones rather than the
//! database, and a damaged file is detected while the previous table is still in use.
//!
//! | module      | contents                                                                       |
//! |-------------|--------------------------------------------------------------------------------|
//! | [`current`] | the current zones of clients, which can be reloaded                            |
//! | `writer`    | writes small databases, for tests                                              |

mod current;
#[cfg(any(test, feature = "testing"))]
pub mod writer;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ipnet::IpNet;
use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use serde::Deserialize;

pub use current::CurrentZones;

use weir_fleet::{NetworkTable, ZoneId, Zones};
use weir_program::config::Error;

/// Reads a database, and returns the networks of the countries and continents of `zones`.
///
/// Takes about a second for a large database, and must not block a thread that serves clients.
///
/// # Errors
/// [`Error`], which names the file.
pub fn read(file: &Path, zones: &Zones) -> Result<NetworkTable, Error> {
    let bytes = fs::read(file).map_err(|error| Error::unreadable(file, &error))?;
    networks(&bytes, zones).map_err(|fault| Error::in_file(file, fault))
}

/// Why a database is rejected.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file has another format, is truncated or damaged.
    #[error("not a MaxMind DB file, or damaged: {0}; download it again")]
    Malformed(#[from] MaxMindDbError),
    /// The search tree has far more leaves than nodes: it has cycles or shared branches.
    #[error("damaged: the search tree is not a tree; download it again")]
    NoTree,
    /// The database has no countries.
    #[error("no countries in a database of type `{0}`; use one with countries, such as GeoLite2-Country")]
    NoCountries(String),
}

/// As [`read`], from the bytes of a file.
///
/// # Errors
/// [`Fault`].
pub fn networks(bytes: &[u8], zones: &Zones) -> Result<NetworkTable, Fault> {
    let reader = Reader::from_source(bytes)?;
    let mut territories = Territories { zones, known: HashMap::new(), any: false };
    let mut found: Vec<(IpNet, ZoneId)> = Vec::new();
    // A tree has one leaf more than nodes, or a few more if the writer shares branches. A damaged one can have as many
    // paths as there are addresses. The factor is that of the reader's own verification.
    let mut leaves_left = u64::from(reader.metadata().node_count) * 3;
    // Leaves without data count as well, or the search of a damaged tree without any data might never end. Aliases,
    // IPv6 ranges that stand for all of IPv4 (6to4, Teredo), are skipped: clients there have another address of their
    // own.
    for leaf in reader.networks(WithinOptions::default().include_networks_without_data())? {
        leaves_left = leaves_left.checked_sub(1).ok_or(Fault::NoTree)?;
        let leaf = leaf?;
        let Some(offset) = leaf.offset() else { continue };
        if let Some(zone) = territories.zone(offset, || leaf.decode())? {
            let network = leaf.network()?;
            // The reader's networks always have valid prefix lengths.
            found.extend(IpNet::new(network.ip(), network.prefix()).ok().map(|network| (network, zone)));
        }
    }
    if !territories.any {
        return Err(Fault::NoCountries(reader.metadata().database_type.clone()));
    }
    Ok(NetworkTable::new(found))
}

/// The zones of the records of a database.
struct Territories<'a> {
    zones: &'a Zones,
    /// The zones found so far, by the offset of the record: millions of networks share some hundreds of records.
    known: HashMap<usize, Option<ZoneId>>,
    /// Whether any record has a country or continent.
    any: bool,
}

impl Territories<'_> {
    /// Returns the zone of the record at `offset`.
    fn zone<'r>(
        &mut self,
        offset: usize,
        decode: impl FnOnce() -> Result<Option<Record<'r>>, MaxMindDbError>,
    ) -> Result<Option<ZoneId>, MaxMindDbError> {
        if let Some(zone) = self.known.get(&offset) {
            return Ok(*zone);
        }
        let record = decode()?.unwrap_or_default();
        self.any |= record.country.iso_code.is_some() || record.continent.code.is_some();
        // Unknown codes, such as those of anonymising proxies, are ignored.
        let country = record.country.iso_code.and_then(|code| code.parse().ok());
        let continent = record.continent.code.and_then(|code| code.parse().ok());
        let zone = self.zones.of_territory(country, continent);
        self.known.insert(offset, zone);
        Ok(zone)
    }
}

/// The relevant part of a record of GeoIP2 and GeoLite2 databases (<https://dev.maxmind.com/geoip/docs/databases>):
/// where the address is used, rather than where it is registered.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    country: CountryRecord<'a>,
    #[serde(borrow)]
    continent: ContinentRecord<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CountryRecord<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContinentRecord<'a> {
    code: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;
    use weir_fleet::zones::ZoneDefinition;

    use super::writer::Database;
    use super::*;

    /// Germany and France, the rest of Europe, the United States.
    fn zones() -> Zones {
        let zone = |name: &str, countries: &[&str], continents: &[&str]| ZoneDefinition {
            name: name.to_owned(),
            countries: countries.iter().map(|code| code.parse().unwrap()).collect(),
            continents: continents.iter().map(|code| code.parse().unwrap()).collect(),
            ..ZoneDefinition::default()
        };
        Zones::new(vec![zone("near", &["DE", "FR"], &[]), zone("eu", &[], &["EU"]), zone("us", &["US"], &[])]).unwrap()
    }

    fn database() -> Database {
        let mut database = Database::default();
        for (network, country, continent) in [
            ("192.0.2.0/25", "DE", "EU"),
            ("192.0.2.128/25", "IT", "EU"),
            ("198.51.100.0/24", "US", "NA"),
            ("203.0.113.0/24", "JP", "AS"),
            ("2001:db8::/33", "FR", "EU"),
            ("2001:db8:8000::/33", "A1", "EU"),
        ] {
            database.add(network.parse().unwrap(), country, continent);
        }
        database
    }

    #[test]
    fn an_address_is_in_the_zone_of_its_country_or_else_of_its_continent() {
        let zones = zones();
        for record_size in [24, 28, 32] {
            let table = networks(&database().to_bytes(record_size), &zones).unwrap();
            for (address, zone) in [
                ("192.0.2.1", Some("near")),
                ("192.0.2.200", Some("eu")),
                ("198.51.100.1", Some("us")),
                ("203.0.113.1", None),
                ("233.252.0.1", None),
                ("2001:db8::1", Some("near")),
                ("2001:db8:8000::1", Some("eu")),
                ("2001:db9::1", None),
                ("::ffff:198.51.100.1", Some("us")),
            ] {
                let found = table.of(address.parse().unwrap()).map(|id| zones.name(id));
                assert_eq!(found, zone, "{address}, record size {record_size}");
            }
        }
    }

    #[test]
    fn a_file_of_another_kind_is_rejected_with_what_to_do() {
        let rejected = |bytes: &[u8]| networks(bytes, &zones()).unwrap_err().to_string();
        let message = rejected(b"<html>please log in</html>");
        assert!(message.starts_with("not a MaxMind DB file, or damaged: "), "{message}");
        assert_eq!(
            rejected(&Database::default().to_bytes(24)),
            "no countries in a database of type `Test`; use one with countries, such as GeoLite2-Country"
        );
    }

    #[test]
    fn a_tree_with_shared_branches_is_rejected_rather_than_searched_forever() {
        let mut bytes = database().to_bytes(32);
        // Both branches of the root lead to the next node, and so on down for 64 levels: 2^64 paths.
        for node in 0..64_usize {
            let next = u32::try_from(node + 1).unwrap().to_be_bytes();
            bytes[node * 8..][..8].copy_from_slice(&[next, next].concat());
        }
        assert!(networks(&bytes, &zones()).is_err());
    }

    #[test]
    fn an_unreadable_file_is_named_in_the_error() {
        let message = read(Path::new("/nonexistent/GeoIP.mmdb"), &zones()).unwrap_err().to_string();
        assert!(message.starts_with("/nonexistent/GeoIP.mmdb: cannot be read: "), "{message}");
    }

    fn look_up_anywhere(bytes: &[u8], zones: &Zones) {
        let Ok(table) = networks(bytes, zones) else { return };
        for address in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1"] {
            let zone = table.of(address.parse::<IpAddr>().unwrap());
            // Whatever the contents of the file, the zone exists.
            let _ = zone.map(|id| zones.name(id));
        }
    }

    proptest! {
        #[test]
        fn a_truncated_file_never_causes_a_panic(length in any::<prop::sample::Index>(), record in 0..3_usize) {
            let bytes = database().to_bytes([24, 28, 32][record]);
            look_up_anywhere(&bytes[..length.index(bytes.len())], &zones());
        }

        #[test]
        fn a_damaged_file_never_causes_a_panic(
            record in 0..3_usize,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = database().to_bytes([24, 28, 32][record]);
            for (index, byte) in damage {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
            look_up_anywhere(&bytes, &zones());
        }
    }
}
