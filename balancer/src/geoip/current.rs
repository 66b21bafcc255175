//! The zones of clients as they are now: the database is exchanged while the balancer runs.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_fleet::NetworkTable;
use weir_fleet::{ClientZones, Zones};
use weir_program::config::Error;

use crate::geoip;

/// What finds the zones of clients, and the file that it was read from.
#[derive(Debug)]
pub struct CurrentZones {
    file: Option<PathBuf>,
    published: Arc<ArcSwap<ClientZones>>,
}

impl CurrentZones {
    /// Reads `file`, if there is one, for the countries of `zones`.
    ///
    /// # Errors
    /// As [`geoip::read`].
    pub fn load(zones: Zones, file: Option<PathBuf>) -> Result<Self, Error> {
        let territories = file.as_deref().map(|file| geoip::read(file, &zones)).transpose()?;
        let zones = ClientZones::new(Arc::new(zones), territories.unwrap_or_default());
        Ok(Self { file, published: Arc::new(ArcSwap::from_pointee(zones)) })
    }

    /// Where readers find the zones.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<ClientZones>> {
        Arc::clone(&self.published)
    }

    /// Reads the file again; how many ranges of addresses it gave, or nothing when there is no file.
    ///
    /// # Errors
    /// As [`geoip::read`]; what was read before stays.
    pub fn renew(&self) -> Result<Option<usize>, Error> {
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
    fn a_new_file_counts_once_it_is_read_and_a_damaged_one_changes_nothing() {
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
        assert_eq!(current.renew().unwrap(), Some(2));
        assert_eq!(name().as_deref(), Some("south"));

        fs::write(&file, &database("SE")[..40]).unwrap();
        let message = current.renew().unwrap_err().to_string();
        assert!(message.contains("countries.mmdb: is no MaxMind DB file, or is damaged"), "{message}");
        assert_eq!(name().as_deref(), Some("south"));
    }

    #[test]
    fn without_a_file_there_is_nothing_to_renew() {
        assert_eq!(CurrentZones::load(Zones::default(), None).unwrap().renew().unwrap(), None);
    }
}
