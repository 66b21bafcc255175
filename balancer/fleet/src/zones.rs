//! Zones (sites, regions): which one a client is in, and where its clients spill to.

mod error;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

pub use self::error::{Error, Fault, Location};
use crate::network_table::{NetworkTable, canonical};
use crate::territory::{Continent, Country};
use crate::zone_id::ZoneId;

/// The definition of a zone.
#[derive(Clone, Debug, Default)]
pub struct ZoneDefinition {
    /// The name, as edges report it.
    pub name: String,
    /// The networks of clients.
    pub networks: Vec<IpNet>,
    /// The countries of clients that are in no network of any zone.
    pub countries: Vec<Country>,
    /// The continents of clients that are in no network and no country of any zone.
    pub continents: Vec<Continent>,
    /// The zones that clients are sent to when this one has no edge for them: the first that has one. [`ANY`] stands
    /// for all others.
    pub spill: Vec<String>,
}

/// In [`ZoneDefinition::spill`], every other edge.
pub const ANY: &str = "*";

/// Where clients of a zone are sent when it has no edge for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spill<'a> {
    /// These zones, in this order.
    pub first: &'a [ZoneId],
    /// Whether any other edge follows, including edges in zones that are not configured, and edges without a zone.
    pub then_any: bool,
}

/// The configured zones.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    zones: Vec<Zone>,
    ids: HashMap<String, ZoneId>,
    networks: NetworkTable,
    countries: BTreeMap<Country, ZoneId>,
    continents: BTreeMap<Continent, ZoneId>,
}

#[derive(Clone, Debug)]
struct Zone {
    name: String,
    spill: Vec<ZoneId>,
    spills_anywhere: bool,
}

impl Zones {
    /// Returns zones with these definitions.
    ///
    /// # Errors
    /// [`Error`] when the definitions contradict each other.
    pub fn new(definitions: Vec<ZoneDefinition>) -> Result<Self, Error> {
        let mut ids = HashMap::new();
        for (index, definition) in definitions.iter().enumerate() {
            let fault = |fault| Error { definition: index, location: Location::Name, fault };
            if definition.name == ANY {
                return Err(fault(Fault::NameIsAny));
            }
            let id = ZoneId::at(u16::try_from(index).map_err(|_| fault(Fault::TooMany))?);
            if ids.insert(definition.name.clone(), id).is_some() {
                return Err(fault(Fault::DuplicateName(definition.name.clone())));
            }
        }
        let networks = owners(&definitions, Location::Network, |zone| zone.networks.iter().copied().map(canonical))?;
        Ok(Self {
            networks: NetworkTable::new(networks),
            countries: owners(&definitions, Location::Country, |zone| zone.countries.iter().copied())?,
            continents: owners(&definitions, Location::Continent, |zone| zone.continents.iter().copied())?,
            zones: Zone::all(definitions, &ids)?,
            ids,
        })
    }

    /// Returns the zone of this name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<ZoneId> {
        self.ids.get(name).copied()
    }

    /// Returns the name of a zone.
    ///
    /// # Panics
    /// When `id` is not one of these zones.
    #[must_use]
    pub fn name(&self, id: ZoneId) -> &str {
        &self.zones[id.index()].name
    }

    /// Returns where clients of a zone are sent when it has no edge for them.
    ///
    /// # Panics
    /// When `id` is not one of these zones.
    #[must_use]
    pub fn spill(&self, id: ZoneId) -> Spill<'_> {
        let zone = &self.zones[id.index()];
        Spill { first: &zone.spill, then_any: zone.spills_anywhere }
    }

    /// Returns the zone with the smallest network that contains `address`. Allocates nothing and takes no lock.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<ZoneId> {
        self.networks.of(address)
    }

    /// Returns the zone with this country, or else with this continent.
    #[must_use]
    pub fn of_territory(&self, country: Option<Country>, continent: Option<Continent>) -> Option<ZoneId> {
        let by_country = country.and_then(|country| self.countries.get(&country));
        by_country.or_else(|| self.continents.get(&continent?)).copied()
    }

    /// Returns the number of zones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Returns whether there are no zones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }
}

impl Zone {
    fn all(definitions: Vec<ZoneDefinition>, ids: &HashMap<String, ZoneId>) -> Result<Vec<Self>, Error> {
        let zone = |(index, definition): (usize, ZoneDefinition)| {
            let (spill, spills_anywhere) = match definition.spill.split_last() {
                Some((last, before)) if last == ANY => (before, true),
                _ => (definition.spill.as_slice(), false),
            };
            let resolve = |(position, name): (usize, &String)| {
                let fault = match ids.get(name) {
                    Some(&id) if id.index() == index => Fault::SpillsIntoItself,
                    Some(&id) => return Ok(id),
                    None if name == ANY => Fault::AnyBeforeOthers,
                    None => Fault::UnknownSpill(name.clone()),
                };
                Err(Error { definition: index, location: Location::Spill(position), fault })
            };
            let spill = spill.iter().enumerate().map(resolve).collect::<Result<_, _>>()?;
            Ok(Self { name: definition.name, spill, spills_anywhere })
        };
        definitions.into_iter().enumerate().map(zone).collect()
    }
}

/// Returns the zone that has each value, given that no two zones have the same. A zone may name a value twice.
fn owners<'a, T: Copy + Ord + fmt::Display, I: Iterator<Item = T>>(
    definitions: &'a [ZoneDefinition],
    location: fn(usize) -> Location,
    values: impl Fn(&'a ZoneDefinition) -> I,
) -> Result<BTreeMap<T, ZoneId>, Error> {
    let mut owners = BTreeMap::new();
    // There are at most 65,536 definitions, as was checked with the names.
    for (id, definition) in (0..=u16::MAX).map(ZoneId::at).zip(definitions) {
        for (index, value) in values(definition).enumerate() {
            let owner: ZoneId = *owners.entry(value).or_insert(id);
            if owner != id {
                let other = definitions[owner.index()].name.clone();
                let fault = Fault::Shared { value: value.to_string(), other };
                return Err(Error { definition: id.index(), location: location(index), fault });
            }
        }
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str, networks: &[&str], spill: &[&str]) -> ZoneDefinition {
        ZoneDefinition {
            name: name.to_owned(),
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            spill: spill.iter().map(|&name| name.to_owned()).collect(),
            ..ZoneDefinition::default()
        }
    }

    fn fault(definitions: Vec<ZoneDefinition>) -> (usize, Location, String) {
        let error = Zones::new(definitions).unwrap_err();
        (error.definition, error.location, error.to_string())
    }

    #[test]
    fn a_zone_is_found_by_name_and_by_network() {
        let zones = Zones::new(vec![zone("eu", &["192.0.2.0/24"], &[]), zone("us", &["192.0.2.128/25"], &[])]).unwrap();
        assert_eq!(zones.of("192.0.2.1".parse().unwrap()), zones.id("eu"));
        assert_eq!(zones.of("192.0.2.200".parse().unwrap()), zones.id("us"));
        assert_eq!(zones.of("198.51.100.1".parse().unwrap()), None);
        assert_eq!(zones.id("asia"), None);
        assert_eq!(zones.name(zones.id("us").unwrap()), "us");
    }

    #[test]
    fn clients_spill_into_the_configured_zones_in_order_and_then_anywhere_or_nowhere() {
        let zones =
            Zones::new(vec![zone("eu", &[], &["us", "asia", "*"]), zone("us", &[], &[]), zone("asia", &[], &["*"])])
                .unwrap();
        let spill = |name| zones.spill(zones.id(name).unwrap());
        let [us, asia] = ["us", "asia"].map(|name| zones.id(name).unwrap());
        assert_eq!(spill("eu"), Spill { first: &[us, asia], then_any: true });
        assert_eq!(spill("us"), Spill { first: &[], then_any: false });
        assert_eq!(spill("asia"), Spill { first: &[], then_any: true });
    }

    #[test]
    fn a_country_takes_precedence_over_its_continent() {
        let france = ZoneDefinition { countries: vec!["FR".parse().unwrap()], ..zone("france", &[], &[]) };
        let europe = ZoneDefinition { continents: vec!["EU".parse().unwrap()], ..zone("europe", &[], &[]) };
        let zones = Zones::new(vec![france, europe]).unwrap();
        let [fr, de, eu] = ["FR", "DE", "EU"];
        let of = |country: &str, continent: &str| zones.of_territory(country.parse().ok(), continent.parse().ok());
        assert_eq!(of(fr, eu), zones.id("france"));
        assert_eq!(of(de, eu), zones.id("europe"));
        assert_eq!(of(de, ""), None);
    }

    #[test]
    fn a_contradiction_is_rejected_with_its_location() {
        assert_eq!(
            fault(vec![zone("eu", &[], &[]), zone("eu", &[], &[])]),
            (1, Location::Name, "duplicate zone name `eu`; give each [[zone]] its own name".to_owned())
        );
        assert_eq!(
            fault(vec![zone("eu", &["192.0.2.0/24"], &[]), zone("us", &["10.0.0.0/8", "::ffff:192.0.2.7/120"], &[])]),
            (
                1,
                Location::Network(1),
                "`192.0.2.0/24` already belongs to zone `eu`; remove it from one of the two".to_owned()
            )
        );
        for (spill, position, message) in [
            (["*", "us"], 0, "`*` stands for all other zones; it must come last"),
            (["us", "eu"], 1, "a zone cannot spill into itself; remove it from `spill`"),
            (["asia", "*"], 0, "unknown zone `asia`; add a [[zone]] of this name, or remove it from `spill`"),
        ] {
            let found = fault(vec![zone("eu", &[], &spill), zone("us", &[], &[])]);
            assert_eq!(found, (0, Location::Spill(position), message.to_owned()));
        }
    }

    #[test]
    fn a_zone_may_have_the_same_network_twice() {
        assert!(Zones::new(vec![zone("eu", &["192.0.2.0/24", "192.0.2.0/24"], &[])]).is_ok());
    }
}
