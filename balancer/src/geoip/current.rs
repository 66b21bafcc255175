//! The current zones of clients, whose GeoIP database can be reloaded while the balancer runs.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_fleet::{ClientZones, NetworkTable, Zones};
use weir_program::config::Error;

use crate::geoip;

/// The published zones of clients, and the database that they were read from.
#[derive(Debug)]
pub struct CurrentZones {
    file: Option<PathBuf>,
    published: Arc<ArcSwap<ClientZones>>,
}

impl CurrentZones {
    /// Creates the zones of clients, with the countries and continents of `zones` from `file`, if there is one.
    ///
    /// # Errors
    /// As [`geoip::read`].
    pub fn load(zones: Zones, file: Option<PathBuf>) -> Result<Self, Error> {
        let territories = file.as_deref().map(|file| geoip::read(file, &zones)).transpose()?;
        let zones = ClientZones::new(Arc::new(zones), territories.unwrap_or_default());
        Ok(Self { file, published: Arc::new(ArcSwap::from_pointee(zones)) })
    }

    /// Returns where the current zones are published.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<ClientZones>> {
        Arc::clone(&self.published)
    }

    /// Reads the file again; returns the number of address ranges found, or `None` without a file.
    ///
    /// # Errors
    /// As [`geoip::read`]. The current zones are kept.
    pub fn reload(&self) -> Result<Option<usize>, Error> {
        let Some(file) = &self.file else { return Ok(None) };
        let zones = Arc::clone(self.published.load().zones());
        let territories: NetworkTable = geoip::read(file, &zones)?;
        let ranges = territories.ranges();
        self.published.store(Arc::new(ClientZones::new(zones, territories)));
        Ok(Some(ranges))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use weir_fleet::zones::ZoneDefinition;

    use super::*;
    use crate::geoip::writer::Database;

    fn database(country: &str) -> Vec<u8> {
        let mut database = Database::default();
        database.add("192.0.2.0/24".parse().unwrap(), country, "EU");
        database.to_bytes(28)
    }

    #[test]
    fn a_new_database_is_used_after_a_reload_and_a_damaged_one_changes_nothing() {
        let zone = |name: &str, country: &str| ZoneDefinition {
            name: name.to_owned(),
            countries: vec![country.parse().unwrap()],
            ..ZoneDefinition::default()
        };
        let zones = Zones::new(vec![zone("north", "SE"), zone("south", "IT")]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("countries.mmdb");
        fs::write(&file, database("SE")).unwrap();
        let current = CurrentZones::load(zones, Some(file.clone())).unwrap();
        let published = current.published();
        let name = || {
            let zones = published.load();
            zones.of("192.0.2.1".parse().unwrap()).map(|id| zones.zones().name(id).to_owned())
        };
        assert_eq!(name().as_deref(), Some("north"));

        fs::write(&file, database("IT")).unwrap();
        assert_eq!(current.reload().unwrap(), Some(2));
        assert_eq!(name().as_deref(), Some("south"));

        fs::write(&file, &database("SE")[..40]).unwrap();
        let message = current.reload().unwrap_err().to_string();
        assert!(message.contains("countries.mmdb: not a MaxMind DB file, or damaged"), "{message}");
        assert_eq!(name().as_deref(), Some("south"));
    }

    #[test]
    fn without_a_file_there_is_nothing_to_reload() {
        assert_eq!(CurrentZones::load(Zones::default(), None).unwrap().reload().unwrap(), None);
    }
}
