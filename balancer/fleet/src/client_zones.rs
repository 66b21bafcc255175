//! The zone of a client, by its address.

use std::net::IpAddr;
use std::sync::Arc;

use crate::network_table::NetworkTable;
use crate::zone_id::ZoneId;
use crate::zones::Zones;

/// The configured zones, and the networks by which a client's zone is found: those of the zones themselves, or else
/// those of countries and continents.
#[derive(Clone, Debug, Default)]
pub struct ClientZones {
    zones: Arc<Zones>,
    territories: NetworkTable,
}

impl ClientZones {
    /// Returns the zones with `territories`, the networks of their countries and continents.
    #[must_use]
    pub fn new(zones: Arc<Zones>, territories: NetworkTable) -> Self {
        Self { zones, territories }
    }

    /// Returns the zone of the client at `address`. A configured network takes precedence over any country, however
    /// large the network is. Allocates nothing and takes no lock.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<ZoneId> {
        self.zones.of(address).or_else(|| self.territories.of(address))
    }

    /// Returns the zones.
    #[must_use]
    pub fn zones(&self) -> &Arc<Zones> {
        &self.zones
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zones::ZoneDefinition;

    #[test]
    fn a_configured_network_takes_precedence_over_a_territory() {
        let network = |text: &str| text.parse().unwrap();
        let zone =
            |name: &str, networks| ZoneDefinition { name: name.to_owned(), networks, ..ZoneDefinition::default() };
        let definitions = vec![zone("france", vec![network("192.0.2.0/24")]), zone("europe", Vec::new())];
        let zones = Arc::new(Zones::new(definitions).unwrap());
        // The database has a more specific network than the configuration.
        let europe = zones.id("europe").unwrap();
        let territories = ["192.0.2.1/32", "198.51.100.0/24"].map(|text| (network(text), europe));
        let clients = ClientZones::new(Arc::clone(&zones), NetworkTable::new(territories));
        let of = |address: &str| clients.of(address.parse().unwrap());
        assert_eq!(of("192.0.2.1"), zones.id("france"));
        assert_eq!(of("198.51.100.1"), Some(europe));
        assert_eq!(of("203.0.113.1"), None);
    }
}
