//! Zones (sites, regions): which one a client is in, and where its clients go when it has no edge for them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::network_table::{NetworkTable, canonical};
use crate::territory::{Continent, Country};
use crate::zone_id::ZoneId;

/// What is said of one zone.
#[derive(Clone, Debug, Default)]
pub struct ZoneDefinition {
    /// As edges report it.
    pub name: String,
    /// Networks of clients.
    pub networks: Vec<IpNet>,
    /// Countries of clients that are in no network of any zone.
    pub countries: Vec<Country>,
    /// Continents of clients that are in no network and no country of any zone.
    pub continents: Vec<Continent>,
    /// The zones that clients go to when this one has no edge for them, the first that has one; [`ANY`] for all others.
    pub spill: Vec<String>,
}

/// In [`ZoneDefinition::spill`], every other edge.
pub const ANY: &str = "*";

/// Where clients of a zone go when it has no edge for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spill<'a> {
    /// These zones, in this order.
    pub first: &'a [ZoneId],
    /// And then any other edge, those in zones that are not configured and those in none included.
    pub then_any: bool,
}

/// Every zone that is configured.
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
    /// Makes zones of what is said of them.
    ///
    /// # Errors
    /// [`Error`], when that contradicts itself.
    pub fn new(definitions: Vec<ZoneDefinition>) -> Result<Self, Error> {
        let mut ids = HashMap::new();
        for (index, definition) in definitions.iter().enumerate() {
            let fault = |fault| Error { definition: index, location: Location::Name, fault };
            if definition.name == ANY {
                return Err(fault(Fault::NameIsAny));
            }
            let id = ZoneId::at(u16::try_from(index).map_err(|_| fault(Fault::TooMany))?);
            if ids.insert(definition.name.clone(), id).is_some() {
                return Err(fault(Fault::NameTwice(definition.name.clone())));
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

    /// The zone of this name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<ZoneId> {
        self.ids.get(name).copied()
    }

    /// What the zone is called. `id` must be of these zones.
    #[must_use]
    pub fn name(&self, id: ZoneId) -> &str {
        &self.zones[id.index()].name
    }

    /// Where clients of the zone go when it has no edge for them. `id` must be of these zones.
    #[must_use]
    pub fn spill(&self, id: ZoneId) -> Spill<'_> {
        let zone = &self.zones[id.index()];
        Spill { first: &zone.spill, then_any: zone.spills_anywhere }
    }

    /// The zone that has the smallest network around `address`. Allocates nothing, takes no lock.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<ZoneId> {
        self.networks.of(address)
    }

    /// The zone that has this country, or else this continent: the smaller counts.
    #[must_use]
    pub fn of_territory(&self, country: Option<Country>, continent: Option<Continent>) -> Option<ZoneId> {
        let by_country = country.and_then(|country| self.countries.get(&country));
        by_country.or_else(|| self.continents.get(&continent?)).copied()
    }

    /// How many zones there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.zones.len()
    }

    /// Whether there are none.
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
            let resolve = |(place, name): (usize, &String)| {
                let fault = match ids.get(name) {
                    Some(&id) if id.index() == index => Fault::SpillIntoItself,
                    Some(&id) => return Ok(id),
                    None if name == ANY => Fault::AnyBeforeOthers,
                    None => Fault::SpillUnknown(name.clone()),
                };
                Err(Error { definition: index, location: Location::Spill(place), fault })
            };
            let spill = spill.iter().enumerate().map(resolve).collect::<Result<_, _>>()?;
            Ok(Self { name: definition.name, spill, spills_anywhere })
        };
        definitions.into_iter().enumerate().map(zone).collect()
    }
}

/// Who has what, when nobody has what another has. To say the same twice of one zone does no harm.
fn owners<'a, T: Copy + Ord + fmt::Display, I: Iterator<Item = T>>(
    definitions: &'a [ZoneDefinition],
    place: fn(usize) -> Location,
    things: impl Fn(&'a ZoneDefinition) -> I,
) -> Result<BTreeMap<T, ZoneId>, Error> {
    let mut owners = BTreeMap::new();
    // There are no more definitions than numbers: that was checked with the names.
    for (id, definition) in (0..=u16::MAX).map(ZoneId::at).zip(definitions) {
        for (index, thing) in things(definition).enumerate() {
            let owner: ZoneId = *owners.entry(thing).or_insert(id);
            if owner != id {
                let fault = Fault::Shared { what: thing.to_string(), other: definitions[owner.index()].name.clone() };
                return Err(Error { definition: id.index(), location: place(index), fault });
            }
        }
    }
    Ok(owners)
}

/// What is said of the zones contradicts itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Error {
    /// Of which definition, from 0.
    pub definition: usize,
    /// Where in it.
    pub location: Location,
    /// What is wrong there.
    pub fault: Fault,
}

/// A part of a [`ZoneDefinition`]: its name, or one in its lists, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The name.
    Name,
    /// A network.
    Network(usize),
    /// A country.
    Country(usize),
    /// A continent.
    Continent(usize),
    /// A zone to spill into.
    Spill(usize),
}

/// What is wrong with a zone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There are more than [`ZoneId`] can number.
    #[error("there are more than 65536 zones: leave some out")]
    TooMany,
    /// It is called [`ANY`].
    #[error("`*` stands for all zones: give this one another name")]
    NameIsAny,
    /// Two have the same name.
    #[error("zone `{0}` is there twice: make one of the two, or give them different names")]
    NameTwice(String),
    /// Two have the same network, country or continent.
    #[error("`{what}` is in zone `{other}` already: take it out of one of the two")]
    Shared {
        /// What they both have.
        what: String,
        /// The name of the zone that had it first.
        other: String,
    },
    /// There is no zone of this name to spill into.
    #[error("there is no zone `{0}` to spill into: add a [[zone]] of this name, or take it out")]
    SpillUnknown(String),
    /// The zone itself is where its clients were to go when it has no edge.
    #[error("a zone cannot spill into itself: take it out")]
    SpillIntoItself,
    /// Something follows [`ANY`], where nothing is left.
    #[error("`*` stands for all other zones: it must be the last")]
    AnyBeforeOthers,
}

/// The zones, and what finds a client's: its network, or else its country or continent.
#[derive(Clone, Debug, Default)]
pub struct ClientZones {
    zones: Arc<Zones>,
    territories: NetworkTable,
}

impl ClientZones {
    /// Clients' zones by the networks of `zones`, and then by `territories`: the networks of their countries and continents.
    #[must_use]
    pub fn new(zones: Arc<Zones>, territories: NetworkTable) -> Self {
        Self { zones, territories }
    }

    /// The zone of the client at `address`. A configured network is more exact than any country, however large it is.
    /// Allocates nothing, takes no lock.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Option<ZoneId> {
        self.zones.of(address).or_else(|| self.territories.of(address))
    }

    /// The zones themselves.
    #[must_use]
    pub fn zones(&self) -> &Arc<Zones> {
        &self.zones
    }
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
    fn clients_spill_into_the_given_zones_in_order_and_then_anywhere_or_nowhere() {
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
    fn a_country_counts_before_its_continent_and_a_network_before_both() {
        let france =
            ZoneDefinition { countries: vec!["FR".parse().unwrap()], ..zone("france", &["192.0.2.0/24"], &[]) };
        let europe = ZoneDefinition { continents: vec!["EU".parse().unwrap()], ..zone("europe", &[], &[]) };
        let zones = Arc::new(Zones::new(vec![france, europe]).unwrap());
        let [fr, de, eu] = ["FR", "DE", "EU"];
        let of = |country: &str, continent: &str| zones.of_territory(country.parse().ok(), continent.parse().ok());
        assert_eq!(of(fr, eu), zones.id("france"));
        assert_eq!(of(de, eu), zones.id("europe"));
        assert_eq!(of(de, ""), None);
        // The database says of a single address that it is elsewhere; the network around it was configured.
        let exact = NetworkTable::new([("192.0.2.1/32".parse().unwrap(), zones.id("europe").unwrap())]);
        let clients = ClientZones::new(Arc::clone(&zones), exact);
        assert_eq!(clients.of("192.0.2.1".parse().unwrap()), zones.id("france"));
    }

    #[test]
    fn what_contradicts_itself_is_refused_where_it_does() {
        assert_eq!(
            fault(vec![zone("eu", &[], &[]), zone("eu", &[], &[])]),
            (
                1,
                Location::Name,
                "zone `eu` is there twice: make one of the two, or give them different names".to_owned()
            )
        );
        assert_eq!(
            fault(vec![zone("eu", &["192.0.2.0/24"], &[]), zone("us", &["10.0.0.0/8", "::ffff:192.0.2.7/120"], &[])]),
            (
                1,
                Location::Network(1),
                "`192.0.2.0/24` is in zone `eu` already: take it out of one of the two".to_owned()
            )
        );
        for (spill, place, message) in [
            (["*", "us"], 0, "`*` stands for all other zones: it must be the last"),
            (["us", "eu"], 1, "a zone cannot spill into itself: take it out"),
            (["asia", "*"], 0, "there is no zone `asia` to spill into: add a [[zone]] of this name, or take it out"),
        ] {
            let found = fault(vec![zone("eu", &[], &spill), zone("us", &[], &[])]);
            assert_eq!(found, (0, Location::Spill(place), message.to_owned()));
        }
    }

    #[test]
    fn the_same_network_twice_in_one_zone_does_no_harm() {
        assert!(Zones::new(vec![zone("eu", &["192.0.2.0/24", "192.0.2.0/24"], &[])]).is_ok());
    }
}
