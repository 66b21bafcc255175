//! `[[zone]]`: where clients and edges are.

use std::fmt;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;
use weir_fleet::zones::{ANY, Location, ZoneDefinition, Zones};
use weir_program::config::SectionError;
use weir_program::config::values::parse_name;

use super::Geoip;

/// A zone (site, region): its edges, by name, and its clients, by address. May be repeated, up to 65536 times. Without
/// any, where a client is plays no part. The values are kept with where they stand, since what is wrong with one may be
/// seen only beside others; [`Config::parse`](crate::Config::parse) checks them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// What edges report as theirs (`weir-agent --zone`), 1 to 64 printable ASCII characters but not `"*"`. Required.
    pub name: Spanned<String>,
    /// Networks of clients, such as `"192.0.2.0/24"` or `"2001:db8::/32"`. Of networks inside each other the smallest
    /// counts, in whichever zone it is; the same one cannot be in two zones. Default: none.
    #[serde(default)]
    pub networks: Vec<Spanned<String>>,
    /// Countries of clients that are in no network of any zone, by their ISO 3166-1 alpha-2 codes, such as `"DE"`, and
    /// `"XK"` for Kosovo; each in one zone at most. They need `[geoip]` file. Default: none.
    #[serde(default)]
    pub countries: Vec<Spanned<String>>,
    /// Continents of clients that are in no network and no country of any zone: `"AF"`, `"AN"`, `"AS"`, `"EU"`, `"NA"`,
    /// `"OC"`, `"SA"`; each in one zone at most. They need `[geoip]` file. Default: none.
    #[serde(default)]
    pub continents: Vec<Spanned<String>>,
    /// The zones that clients of this one are sent to when it has no edge for them: the first of these that has one. `"*"`
    /// stands for every other edge, in whatever zone or in none, and can only be the last. `[]` sends them nowhere else.
    /// Default: `["*"]`, since a distant edge is better than none.
    #[serde(default = "anywhere")]
    pub spill: Vec<Spanned<String>>,
}

fn anywhere() -> Vec<Spanned<String>> {
    vec![Spanned::new(0..0, ANY.to_owned())]
}

/// The sections as the fleet takes them.
pub(super) fn zones(sections: &[Zone], geoip: &Geoip) -> Result<Zones, SectionError> {
    let definitions = sections.iter().map(Zone::definition).collect::<Result<_, _>>()?;
    let territories = sections.iter().flat_map(|zone| zone.countries.iter().chain(&zone.continents));
    if let (None, Some(offset)) = (&geoip.file, territories.map(|code| code.span().start).min()) {
        let message = "countries and continents need a database: name one as `file` in [geoip]".to_owned();
        return Err(SectionError { offset, message });
    }
    Zones::new(definitions).map_err(|error| {
        let place = sections[error.definition].written(error.location);
        SectionError { offset: place.span().start, message: error.to_string() }
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

    /// What is written there.
    fn written(&self, location: Location) -> &Spanned<String> {
        match location {
            Location::Name => &self.name,
            Location::Network(index) => &self.networks[index],
            Location::Country(index) => &self.countries[index],
            Location::Continent(index) => &self.continents[index],
            Location::Spill(index) => &self.spill[index],
        }
    }
}

fn read<T, E: fmt::Display>(
    written: &Spanned<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, SectionError> {
    let offset = written.span().start;
    parse(written.get_ref()).map_err(|error| SectionError { offset, message: error.to_string() })
}

fn read_all<T, E: fmt::Display>(
    list: &[Spanned<String>],
    parse: fn(&str) -> Result<T, E>,
) -> Result<Vec<T>, SectionError> {
    list.iter().map(|written| read(written, parse)).collect()
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let expected = "expected an address and the length of its prefix, such as \"192.0.2.0/24\" or \"2001:db8::/32\"";
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
    fn a_zone_needs_a_name_only_and_spills_anywhere() {
        let zones = parse("[[zone]]\nname = \"eu\"\n[[zone]]\nname = \"us\"\nspill = []").unwrap().zones;
        let spill = |name| zones.spill(zones.id(name).unwrap());
        assert_eq!(spill("eu"), Spill { first: &[], then_any: true });
        assert_eq!(spill("us"), Spill { first: &[], then_any: false });
        assert_eq!(parse("\n[[zone]]\nspill = []").unwrap_err(), "weir.toml:2: missing key `name`");
    }

    #[test]
    fn a_wrong_value_is_refused_by_its_own_line_in_a_list_of_many() {
        for (key, value, message) in [
            (
                "networks",
                "192.0.2.1",
                "`192.0.2.1` is not a network: expected an address and the length of its prefix, such as \"192.0.2.0/24\" or \"2001:db8::/32\"",
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
    fn zones_that_contradict_each_other_are_refused_by_the_line_of_the_second() {
        for (second, message) in [
            ("name = \"eu\"", "7: zone `eu` is there twice: make one of the two, or give them different names"),
            ("name = \"*\"", "7: `*` stands for all zones: give this one another name"),
            (
                "name = \"us\"\nnetworks = [\n  \"10.0.0.0/8\",\n  \"192.0.2.0/24\",\n]",
                "10: `192.0.2.0/24` is in zone `eu` already: take it out of one of the two",
            ),
            ("name = \"us\"\ncountries = [\"FR\"]", "8: `FR` is in zone `eu` already: take it out of one of the two"),
            ("name = \"us\"\nspill = [\"us\"]", "8: a zone cannot spill into itself: take it out"),
            ("name = \"us\"\nspill = [\"*\", \"eu\"]", "8: `*` stands for all other zones: it must be the last"),
            (
                "name = \"us\"\nspill = [\n  \"asia\"\n]",
                "9: there is no zone `asia` to spill into: add a [[zone]] of this name, or take it out",
            ),
        ] {
            let first =
                "geoip.file = \"/x\"\n[[zone]]\nname = \"eu\"\nnetworks = [\"192.0.2.0/24\"]\ncountries = [\"FR\"]";
            let text = format!("{first}\n[[zone]]\n{second}\n");
            assert_eq!(parse(&text).unwrap_err(), format!("weir.toml:{message}"), "{text}");
        }
    }

    #[test]
    fn countries_without_a_database_are_refused() {
        assert_eq!(
            parse("[[zone]]\nname = \"eu\"\ncontinents = [\"EU\"]\n").unwrap_err(),
            "weir.toml:3: countries and continents need a database: name one as `file` in [geoip]"
        );
    }
}
