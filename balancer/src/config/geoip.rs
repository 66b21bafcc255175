//! `[geoip]`: the database of countries.

use std::path::PathBuf;

use serde::Deserialize;

/// The database that maps client addresses to countries and continents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Geoip {
    /// MaxMind DB file with countries, such as `"/usr/share/GeoIP/GeoLite2-Country.mmdb"`. A database of cities, or one
    /// of another maker with the same fields, works as well. Required for `countries` and `continents` of `[[zone]]`,
    /// and not used otherwise. The file is read at the start and on SIGHUP. Replace it by renaming a new one, as
    /// `geoipupdate` does: a damaged file is logged and ignored on SIGHUP, but is an error at the start. Default: none.
    pub file: Option<PathBuf>,
}
