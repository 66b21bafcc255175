//! What a player is told: pathways in the order in which they are to be tried.

use serde::Serialize;

use crate::http::steering::Format;

/// One way to the same content: that of the playlist, on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pathway {
    /// The edge's GUID.
    pub(super) id: String,
    /// What takes the place of the playlist's host.
    pub(super) host: String,
}

/// What a manifest is made of.
#[derive(Debug)]
pub(super) struct Manifest<'a> {
    pub(super) format: Format,
    /// Seconds until the player asks again.
    pub(super) ttl: u128,
    /// The pathway of the playlist.
    pub(super) base: &'a str,
    /// It is that of an edge, which is among the pathways if it will do.
    pub(super) base_is_edge: bool,
    /// The best first.
    pub(super) pathways: &'a [Pathway],
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct Written<'a> {
    version: u8,
    ttl: u128,
    reload_uri: &'a str,
    pathway_priority: &'a [&'a str],
    /// What DASH called it first, and some players still do.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_location_priority: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pathway_clones: Vec<Copy<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
struct Copy<'a> {
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
    /// As it is sent.
    pub(super) fn json(&self, reload_uri: &str) -> String {
        let mut priority: Vec<&str> = self.pathways.iter().map(|pathway| pathway.id.as_str()).collect();
        // Where the playlist itself points is the last resort, unless that is an edge that will not do. The list must
        // not be empty.
        if !priority.contains(&self.base) && (!self.base_is_edge || priority.is_empty()) {
            priority.push(self.base);
        }
        let copies = self.pathways.iter().filter(|pathway| pathway.id != self.base);
        let written = Written {
            version: 1,
            ttl: self.ttl,
            reload_uri,
            pathway_priority: &priority,
            service_location_priority: (self.format == Format::Dash).then_some(&priority),
            pathway_clones: copies
                .map(|Pathway { id, host }| Copy { base_id: self.base, id, uri_replacement: Replacement { host } })
                .collect(),
        };
        // Only maps with keys that are no texts cannot be written, and there are none.
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
    fn edges_are_copies_of_the_playlist_s_pathway_which_comes_last() {
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
    fn a_base_that_is_an_edge_is_no_copy_and_counts_only_while_it_will_do() {
        let manifest = written(Format::Hls, "b", true, &[("a", "edge1"), ("b", "edge2")]);
        assert_eq!(manifest["PATHWAY-PRIORITY"], json!(["a", "b"]));
        assert_eq!(manifest["PATHWAY-CLONES"].as_array().unwrap().len(), 1);
        assert_eq!(written(Format::Hls, "b", true, &[("a", "edge1")])["PATHWAY-PRIORITY"], json!(["a"]));
    }

    #[test]
    fn without_any_edge_the_player_stays_where_it_is() {
        let manifest = written(Format::Hls, "b", true, &[]);
        assert_eq!((&manifest["PATHWAY-PRIORITY"], manifest.get("PATHWAY-CLONES")), (&json!(["b"]), None));
    }

    #[test]
    fn dash_gets_both_spellings() {
        let manifest = written(Format::Dash, "alpha", false, &[("a", "edge1:8080")]);
        assert_eq!(manifest["PATHWAY-PRIORITY"], json!(["a", "alpha"]));
        assert_eq!(manifest["SERVICE-LOCATION-PRIORITY"], manifest["PATHWAY-PRIORITY"]);
    }
}
