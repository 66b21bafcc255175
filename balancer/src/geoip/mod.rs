//! The zones of countries and continents, out of a MaxMind DB file.
//!
//! The whole file is gone through once, when it is read, and only the networks of configured zones are kept, in the same
//! table that holds the configured ones. So a look-up costs the same for both, memory is taken for the zones rather than for
//! the database, and a damaged file is found out while the old table still serves.

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

use weir_fleet::NetworkTable;
use weir_fleet::{ZoneId, Zones};
use weir_program::config::Error;

/// Reads the file, and finds the networks of the countries and continents of `zones`.
///
/// Takes a second or so for a large database: not for a thread that others wait for.
///
/// # Errors
/// [`Error`], which names the file.
pub fn read(file: &Path, zones: &Zones) -> Result<NetworkTable, Error> {
    let bytes = fs::read(file).map_err(|error| Error::unreadable(file, &error))?;
    networks(&bytes, zones).map_err(|fault| Error::in_file(file, fault))
}

/// What is wrong with a database.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is none, is cut off, or damaged.
    #[error("is no MaxMind DB file, or is damaged: {0}; get it anew")]
    Malformed(#[from] MaxMindDbError),
    /// Its search tree has far more leaves than nodes: parts of it are reached in more than one way.
    #[error("is damaged: its search tree is no tree; get it anew")]
    NoTree,
    /// It is a database of something else.
    #[error("has no countries, it is of the type `{0}`: get one with countries, such as GeoLite2-Country")]
    NoCountries(String),
}

/// As [`read`], of a file's bytes.
///
/// # Errors
/// [`Fault`].
pub fn networks(bytes: &[u8], zones: &Zones) -> Result<NetworkTable, Fault> {
    let reader = Reader::from_source(bytes)?;
    let mut territories = Territories { zones, known: HashMap::new(), any: false };
    let mut found: Vec<(IpNet, ZoneId)> = Vec::new();
    // A tree has one leaf more than nodes, and a writer that lets branches meet again a few; a damaged one can have as many
    // paths as there are addresses. The factor is that of the reader's own verification.
    let mut leaves_left = u64::from(reader.metadata().node_count) * 3;
    // Leaves without data are counted too, or a damaged tree could be searched for ever without any. Aliases, ranges of
    // IPv6 that stand for all of IPv4 (6to4, Teredo), are left out: the client's own address is another.
    for leaf in reader.networks(WithinOptions::default().include_networks_without_data())? {
        leaves_left = leaves_left.checked_sub(1).ok_or(Fault::NoTree)?;
        let leaf = leaf?;
        let Some(offset) = leaf.offset() else { continue };
        if let Some(zone) = territories.zone(offset, || leaf.decode())? {
            let network = leaf.network()?;
            // The lengths are right in a network of the reader's.
            found.extend(IpNet::new(network.ip(), network.prefix()).ok().map(|network| (network, zone)));
        }
    }
    if !territories.any {
        return Err(Fault::NoCountries(reader.metadata().database_type.clone()));
    }
    Ok(NetworkTable::new(found))
}

/// The zones of a database's records.
struct Territories<'a> {
    zones: &'a Zones,
    /// By the record's offset: millions of networks share some hundreds of records.
    known: HashMap<usize, Option<ZoneId>>,
    /// Whether any record said where it is.
    any: bool,
}

impl Territories<'_> {
    /// The zone of the record at `offset`.
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
        // A code that is not known, of an anonymising proxy for instance, is none.
        let country = record.country.iso_code.and_then(|code| code.parse().ok());
        let continent = record.continent.code.and_then(|code| code.parse().ok());
        let zone = self.zones.of_territory(country, continent);
        self.known.insert(offset, zone);
        Ok(zone)
    }
}

/// What is read of a record of GeoIP2 and GeoLite2 databases (<https://dev.maxmind.com/geoip/docs/databases>): where the
/// address is used, rather than where it is registered.
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
    fn a_file_that_is_none_or_of_something_else_is_refused_with_what_to_do() {
        let refused = |bytes: &[u8]| networks(bytes, &zones()).unwrap_err().to_string();
        let message = refused(b"<html>please log in</html>");
        assert!(message.starts_with("is no MaxMind DB file, or is damaged: "), "{message}");
        assert_eq!(
            refused(&Database::default().to_bytes(24)),
            "has no countries, it is of the type `Test`: get one with countries, such as GeoLite2-Country"
        );
    }

    #[test]
    fn a_tree_that_runs_in_circles_is_refused_rather_than_searched_for_ever() {
        let mut bytes = database().to_bytes(32);
        // Both branches of the root lead to the next node, and so on down for 64 levels: 2^64 paths.
        for node in 0..64_usize {
            let next = u32::try_from(node + 1).unwrap().to_be_bytes();
            bytes[node * 8..][..8].copy_from_slice(&[next, next].concat());
        }
        assert!(networks(&bytes, &zones()).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let message = read(Path::new("/nonexistent/GeoIP.mmdb"), &zones()).unwrap_err().to_string();
        assert!(message.starts_with("/nonexistent/GeoIP.mmdb: cannot be read: "), "{message}");
    }

    fn look_up_anywhere(bytes: &[u8], zones: &Zones) {
        let Ok(table) = networks(bytes, zones) else { return };
        for address in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1"] {
            let zone = table.of(address.parse::<IpAddr>().unwrap());
            // Whatever the file says, what is found is a zone that there is.
            let _ = zone.map(|id| zones.name(id));
        }
    }

    proptest! {
        #[test]
        fn a_file_that_is_cut_off_never_panics(length in any::<prop::sample::Index>(), record in 0..3_usize) {
            let bytes = database().to_bytes([24, 28, 32][record]);
            look_up_anywhere(&bytes[..length.index(bytes.len())], &zones());
        }

        #[test]
        fn a_damaged_file_never_panics(
            record in 0..3_usize,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = database().to_bytes([24, 28, 32][record]);
            for (place, byte) in damage {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            look_up_anywhere(&bytes, &zones());
        }
    }
}
