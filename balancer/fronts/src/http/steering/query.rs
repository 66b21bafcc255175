//! The parameters with which a player requests a manifest.

use std::borrow::Cow;

use weir_protocol::EdgeId;

use crate::http::pick;
use crate::http::query::{parameter, parameters};
use crate::http::steering::format::Format;
use crate::http::steering::playlist::is_pathway;

/// The state of a player, and what earlier manifests gave it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SteeringQuery {
    /// The edge that it plays from, if its pathway is an edge.
    pub(super) playing: Option<EdgeId>,
    /// The edge that the previous manifest put first.
    pub(super) given: Option<EdgeId>,
    /// `APPLICATION/STREAM`, if the steering URL contains them.
    pub(super) path: Option<String>,
    /// The pathway of the playlist, if known.
    base: Option<String>,
}

/// The pathway of a playlist without a pathway (draft-pantos-hls-rfc8216bis section 4.4.6.2).
const DEFAULT_PATHWAY: &str = ".";

/// Parameters of the balancer, which it adds to the reload URI.
const BASE: &str = "base";
const GIVEN: &str = "given";

impl SteeringQuery {
    pub(super) fn parse(format: Format, query: Option<&str>) -> Self {
        let listed = parameter(query, format.pathway_parameter()).unwrap_or_default();
        // DASH lists the pathways since the last reload, in quotes and each at its first use.
        let mut pathways: Vec<&str> = Vec::new();
        for pathway in listed.trim_matches('"').split(',').filter(|pathway| !pathway.is_empty()) {
            if !pathways.contains(&pathway) && pathways.len() < MAX_PATHWAYS {
                pathways.push(pathway);
            }
        }
        let playing = pathways.iter().rev().find_map(|pathway| pathway.parse().ok());
        // A player starts with the pathway of the playlist.
        let first = || pathways.first().map(|pathway| Cow::Borrowed(*pathway));
        let base = parameter(query, BASE).or_else(first).filter(|base| is_pathway(base)).map(Cow::into_owned);
        let app = parameter(query, "app").unwrap_or_default();
        let stream = parameter(query, "stream").unwrap_or_default();
        let path = (!app.is_empty()).then(|| pick::path(&app, &stream));
        Self { playing, given: parameter(query, GIVEN).and_then(|given| given.parse().ok()), path, base }
    }

    /// The pathway of which the others are clones.
    pub(super) fn base(&self) -> &str {
        self.base.as_deref().unwrap_or(DEFAULT_PATHWAY)
    }

    /// The URI of the next request: this one, with the state to remember, and without the parameters that players add.
    pub(super) fn reload_uri(&self, path: &str, query: Option<&str>, given: Option<EdgeId>) -> String {
        let is_kept = |parameter: &&str| {
            let name = parameter.split('=').next().unwrap_or_default();
            !matches!(name, BASE | GIVEN) && !name.starts_with("_HLS_") && !name.starts_with("_DASH_")
        };
        let mut uri = path.to_owned();
        let kept = parameters(query.unwrap_or_default()).filter(is_kept).map(str::to_owned);
        let base = self.base.as_ref().map(|base| format!("{BASE}={base}"));
        let given = given.map(|given| format!("{GIVEN}={given}"));
        for (parameter, separator) in
            kept.chain(base).chain(given).zip(std::iter::once('?').chain(std::iter::repeat('&')))
        {
            uri.push(separator);
            uri.push_str(&parameter);
        }
        uri
    }
}

/// Maximum number of pathways of a list that are considered. Between two requests, a player switches a few times at
/// most.
const MAX_PATHWAYS: usize = 32;

#[cfg(test)]
mod tests {
    use weir_fleet::testing::id;

    use super::*;

    #[test]
    fn a_player_sends_its_pathway_which_at_first_is_the_base() {
        let (one, two) = (id(1), id(2));
        let hls = |query: &str| SteeringQuery::parse(Format::Hls, Some(query));
        let first = hls("app=live&stream=camera&_HLS_pathway=cdn-a&_HLS_throughput=1");
        assert_eq!((first.playing, first.base(), first.path.as_deref()), (None, "cdn-a", Some("live/camera")));
        let uri = first.reload_uri("/steering/hls", Some("app=live&_HLS_pathway=cdn-a&x"), Some(one));
        assert_eq!(uri, format!("/steering/hls?app=live&x&base=cdn-a&given={one}"));
        let next = hls(&format!("base=cdn-a&given={one}&_HLS_pathway={two}"));
        assert_eq!((next.playing, next.given, next.base()), (Some(two), Some(one), "cdn-a"));
        assert_eq!((hls("").base(), hls("_HLS_pathway=a%22b").base()), (".", "."));
    }

    #[test]
    fn the_last_edge_of_a_list_is_the_current_one() {
        let (one, two) = (id(1), id(2));
        let dash = |list: &str| SteeringQuery::parse(Format::Dash, Some(&format!("_DASH_pathway=%22{list}%22")));
        assert_eq!(dash(&format!("alpha,{one},{two},{one}")).playing, Some(two));
        assert_eq!(dash(&format!("alpha,{one},{two},{one}")).base(), "alpha");
        assert_eq!((dash("alpha").playing, dash("").base()), (None, "."));
    }
}
