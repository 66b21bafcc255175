//! `[geoip]`: what tells the country of a client.

use std::path::PathBuf;

use serde::Deserialize;

/// What tells the country of a client.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Geoip {
    /// A MaxMind DB file with countries, such as `"/usr/share/GeoIP/GeoLite2-Country.mmdb"`; one with cities, or another
    /// maker's with the same fields, will do. Read on the start, and again on SIGHUP. Needed for `countries` and
    /// `continents` of zones, and for nothing else. Default: none.
    pub file: Option<PathBuf>,
}
