//! A content steering manifest: pathways in the order in which a player tries them.

use serde::Serialize;

use crate::http::steering::format::Format;

/// A clone of the playlist's pathway on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pathway {
    /// The edge's GUID.
    pub(super) id: String,
    /// Replaces the host of the playlist's URIs.
    pub(super) host: String,
}

/// A content steering manifest.
#[derive(Debug)]
pub(super) struct Manifest<'a> {
    pub(super) format: Format,
    /// Seconds until the player reloads it.
    pub(super) ttl: u128,
    /// The pathway of the playlist.
    pub(super) base: &'a str,
    /// Whether that is the pathway of an edge, which is in `pathways` if the edge is usable.
    pub(super) base_is_edge: bool,
    /// Best first.
    pub(super) pathways: &'a [Pathway],
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct Written<'a> {
    version: u8,
    ttl: u128,
    reload_uri: &'a str,
    pathway_priority: &'a [&'a str],
    /// The original name of the priority in DASH, which some players still use.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_location_priority: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pathway_clones: Vec<PathwayClone<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct PathwayClone<'a> {
    base_id: &'a str,
    id: &'a str,
    uri_replacement: Replacement<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct Replacement<'a> {
    host: &'a str,
}

impl Manifest<'_> {
    /// The manifest as JSON.
    pub(super) fn json(&self, reload_uri: &str) -> String {
        let mut priority: Vec<&str> = self.pathways.iter().map(|pathway| pathway.id.as_str()).collect();
        // The playlist's own pathway is the last resort, unless it is an unusable edge. The list must not be empty.
        if !priority.contains(&self.base) && (!self.base_is_edge || priority.is_empty()) {
            priority.push(self.base);
        }
        let clones = self.pathways.iter().filter(|pathway| pathway.id != self.base);
        let written = Written {
            version: 1,
            ttl: self.ttl,
            reload_uri,
            pathway_priority: &priority,
            service_location_priority: (self.format == Format::Dash).then_some(&priority),
            pathway_clones: clones
                .map(|Pathway { id, host }| PathwayClone {
                    base_id: self.base,
                    id,
                    uri_replacement: Replacement { host },
                })
                .collect(),
        };
        // Fails only for maps with keys that are not strings, and there are none.
        serde_json::to_string(&written).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(format: Format, base: &str, base_is_edge: bool, pathways: &[(&str, &str)]) -> Value {
        let pathway = |(id, host): &(&str, &str)| Pathway { id: (*id).to_owned(), host: (*host).to_owned() };
        let pathways: Vec<Pathway> = pathways.iter().map(pathway).collect();
        let manifest = Manifest { format, ttl: 10, base, base_is_edge, pathways: &pathways };
        serde_json::from_str(&manifest.json("/steering/hls?base=x")).unwrap()
    }

    #[test]
    fn edges_are_clones_of_the_playlist_s_pathway_which_comes_last() {
        assert_eq!(
            written(Format::Hls, ".", false, &[("a", "edge1"), ("b", "edge2")]),
            json!({
                "VERSION": 1,
                "TTL": 10,
                "RELOAD-URI": "/steering/hls?base=x",
                "PATHWAY-PRIORITY": ["a", "b", "."],
                "PATHWAY-CLONES": [
                    {"BASE-ID": ".", "ID": "a", "URI-REPLACEMENT": {"HOST": "edge1"}},
                    {"BASE-ID": ".", "ID": "b", "URI-REPLACEMENT": {"HOST": "edge2"}},
                ],
            })
        );
    }

    #[test]
    fn a_base_that_is_an_edge_is_not_cloned_and_listed_only_while_usable() {
        let manifest = written(Format::Hls, "b", true, &[("a", "edge1"), ("b", "edge2")]);
        assert_eq!(manifest["PATHWAY-PRIORITY"], json!(["a", "b"]));
        assert_eq!(manifest["PATHWAY-CLONES"].as_array().unwrap().len(), 1);
        assert_eq!(written(Format::Hls, "b", true, &[("a", "edge1")])["PATHWAY-PRIORITY"], json!(["a"]));
    }

    #[test]
    fn without_an_edge_the_player_stays_on_its_pathway() {
        let manifest = written(Format::Hls, "b", true, &[]);
        assert_eq!((&manifest["PATHWAY-PRIORITY"], manifest.get("PATHWAY-CLONES")), (&json!(["b"]), None));
    }

    #[test]
    fn dash_gets_the_priority_under_both_names() {
        let manifest = written(Format::Dash, "alpha", false, &[("a", "edge1:8080")]);
        assert_eq!(manifest["PATHWAY-PRIORITY"], json!(["a", "alpha"]));
        assert_eq!(manifest["SERVICE-LOCATION-PRIORITY"], manifest["PATHWAY-PRIORITY"]);
    }
}
