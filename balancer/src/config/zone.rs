//! `[[zone]]`: the locations of clients and edges.

use std::fmt;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;
use weir_fleet::zones::{ANY, Location, ZoneDefinition, Zones};
use weir_program::config::SectionError;
use weir_program::config::values::parse_name;

use super::Geoip;

/// A zone, which is a site or region: its edges, by name, and its clients, by address. May be repeated, up to 65536
/// times.
///
/// A client gets an edge of its own zone if there is one. Without any zone, the location of clients does not matter. A
/// client's zone is that of the smallest network around its address, else that of its country, else that of its
/// continent. Each network, country and continent can be in one zone only.
///
/// The values are kept with their position, since some errors show only beside other zones;
/// [`Config::parse`](crate::Config::parse) validates them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Name of the zone, as edges report it (`weir-agent --zone`): 1 to 64 printable ASCII characters, but not `"*"`.
    /// Required.
    pub name: Spanned<String>,
    /// Networks of clients, such as `"192.0.2.0/24"` or `"2001:db8::/32"`. Networks of different zones may contain each
    /// other: the smallest one counts. Default: none.
    #[serde(default)]
    pub networks: Vec<Spanned<String>>,
    /// Countries of clients: ISO 3166-1 alpha-2 codes such as `"DE"`, and `"XK"` for Kosovo. Requires `file` in
    /// `[geoip]`. Default: none.
    #[serde(default)]
    pub countries: Vec<Spanned<String>>,
    /// Continents of clients: `"AF"`, `"AN"`, `"AS"`, `"EU"`, `"NA"`, `"OC"`, `"SA"`. Requires `file` in `[geoip]`.
    /// Default: none.
    #[serde(default)]
    pub continents: Vec<Spanned<String>>,
    /// Zones for clients of this one when it has no edge that can take them, in the order of preference. `"*"` stands
    /// for every other edge, in any zone or in none, and must be the last. With `[]` clients get no other edge.
    /// Default: `["*"]`, since a distant edge is better than none.
    #[serde(default = "anywhere")]
    pub spill: Vec<Spanned<String>>,
}

fn anywhere() -> Vec<Spanned<String>> {
    vec![Spanned::new(0..0, ANY.to_owned())]
}

/// Converts the sections to the zones of the fleet.
pub(super) fn zones(sections: &[Zone], geoip: &Geoip) -> Result<Zones, SectionError> {
    let definitions = sections.iter().map(Zone::definition).collect::<Result<_, _>>()?;
    let territories = sections.iter().flat_map(|zone| zone.countries.iter().chain(&zone.continents));
    if let (None, Some(offset)) = (&geoip.file, territories.map(|code| code.span().start).min()) {
        let message = "countries and continents require a database; set `file` in [geoip]".to_owned();
        return Err(SectionError { offset, message });
    }
    Zones::new(definitions).map_err(|error| {
        let value = sections[error.definition].value(error.location);
        SectionError { offset: value.span().start, message: error.to_string() }
    })
}

impl Zone {
    fn definition(&self) -> Result<ZoneDefinition, SectionError> {
        Ok(ZoneDefinition {
            name: read(&self.name, parse_name)?,
            networks: read_all(&self.networks, parse_network)?,
            countries: read_all(&self.countries, str::parse)?,
            continents: read_all(&self.continents, str::parse)?,
            spill: read_all(&self.spill, parse_name)?,
        })
    }

    /// Returns the value at a location.
    fn value(&self, location: Location) -> &Spanned<String> {
        match location {
            Location::Name => &self.name,
            Location::Network(index) => &self.networks[index],
            Location::Country(index) => &self.countries[index],
            Location::Continent(index) => &self.continents[index],
            Location::Spill(index) => &self.spill[index],
        }
    }
}

fn read<T, E: fmt::Display>(value: &Spanned<String>, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, SectionError> {
    let offset = value.span().start;
    parse(value.get_ref()).map_err(|error| SectionError { offset, message: error.to_string() })
}

fn read_all<T, E: fmt::Display>(
    list: &[Spanned<String>],
    parse: fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, SectionError> {
    list.iter().map(|value| read(value, parse)).collect()
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let expected = "expected an address and a prefix length, such as \"192.0.2.0/24\" or \"2001:db8::/32\"";
    text.parse().map_err(|_| format!("`{text}` is not a network: {expected}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use weir_fleet::zones::Spill;

    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("weir.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_zone_needs_only_a_name_and_spills_anywhere_by_default() {
        let zones = parse("[[zone]]\nname = \"eu\"\n[[zone]]\nname = \"us\"\nspill = []").unwrap().zones;
        let spill = |name| zones.spill(zones.id(name).unwrap());
        assert_eq!(spill("eu"), Spill { first: &[], then_any: true });
        assert_eq!(spill("us"), Spill { first: &[], then_any: false });
        assert_eq!(parse("\n[[zone]]\nspill = []").unwrap_err(), "weir.toml:2: missing key `name`");
    }

    #[test]
    fn a_wrong_value_in_a_list_is_rejected_with_its_own_line_number() {
        for (key, value, message) in [
            (
                "networks",
                "192.0.2.1",
                "`192.0.2.1` is not a network: expected an address and a prefix length, such as \"192.0.2.0/24\" or \"2001:db8::/32\"",
            ),
            ("countries", "UK", "`UK` is not a country: the United Kingdom's code is `GB`"),
            ("continents", "XX", "`XX` is not a continent: expected one of `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`"),
            ("spill", "", "expected 1 to 64 printable ASCII characters"),
        ] {
            let text = format!("[[zone]]\nname = \"eu\"\n{key} = [\n\n  \"{value}\",\n]\n");
            assert_eq!(parse(&text).unwrap_err(), format!("weir.toml:5: {message}"), "{text}");
        }
    }

    #[test]
    fn conflicting_zones_are_rejected_with_the_line_number_of_the_second() {
        for (second, message) in [
            ("name = \"eu\"", "7: duplicate zone name `eu`; give each [[zone]] its own name"),
            ("name = \"*\"", "7: `*` stands for all zones and cannot be a name; choose another one"),
            (
                "name = \"us\"\nnetworks = [\n  \"10.0.0.0/8\",\n  \"192.0.2.0/24\",\n]",
                "10: `192.0.2.0/24` already belongs to zone `eu`; remove it from one of the two",
            ),
            (
                "name = \"us\"\ncountries = [\"FR\"]",
                "8: `FR` already belongs to zone `eu`; remove it from one of the two",
            ),
            ("name = \"us\"\nspill = [\"us\"]", "8: a zone cannot spill into itself; remove it from `spill`"),
            ("name = \"us\"\nspill = [\"*\", \"eu\"]", "8: `*` stands for all other zones; it must come last"),
            (
                "name = \"us\"\nspill = [\n  \"asia\"\n]",
                "9: unknown zone `asia`; add a [[zone]] of this name, or remove it from `spill`",
            ),
        ] {
            let first =
                "geoip.file = \"/x\"\n[[zone]]\nname = \"eu\"\nnetworks = [\"192.0.2.0/24\"]\ncountries = [\"FR\"]";
            let text = format!("{first}\n[[zone]]\n{second}\n");
            assert_eq!(parse(&text).unwrap_err(), format!("weir.toml:{message}"), "{text}");
        }
    }

    #[test]
    fn countries_without_a_database_are_rejected() {
        assert_eq!(
            parse("[[zone]]\nname = \"eu\"\ncontinents = [\"EU\"]\n").unwrap_err(),
            "weir.toml:3: countries and continents require a database; set `file` in [geoip]"
        );
    }
}
