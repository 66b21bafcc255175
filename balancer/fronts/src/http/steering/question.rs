//! What a player says of itself when it asks from where to play.

use std::borrow::Cow;

use weir_protocol::EdgeId;

use crate::http::pick;
use crate::http::query::{pairs, parameter};
use crate::http::steering::Format;
use crate::playlist::is_pathway;

/// What a player says of itself, and what it was told before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The edge that it plays from, if that is one.
    pub(super) playing: Option<EdgeId>,
    /// The edge that it was told to play from.
    pub(super) given: Option<EdgeId>,
    /// `APPLICATION/STREAM`, if the steering URL names them.
    pub(super) path: Option<String>,
    /// The pathway of the playlist, when it is known.
    base: Option<String>,
}

/// The pathway of a playlist that names none (draft-pantos-hls-rfc8216bis section 4.4.6.2).
const DEFAULT_PATHWAY: &str = ".";

/// The parameters that belong to us and are kept in the URL for the next time.
const BASE: &str = "base";
const GIVEN: &str = "given";

impl Question {
    pub(super) fn parse(format: Format, query: Option<&str>) -> Self {
        let listed = match format {
            Format::Hls => parameter(query, "_HLS_pathway"),
            Format::Dash => parameter(query, "_DASH_pathway"),
        };
        let listed = listed.unwrap_or_default();
        // DASH lists those since the last time between quotes, each where it came first.
        let mut pathways: Vec<&str> = Vec::new();
        for pathway in listed.trim_matches('"').split(',').filter(|pathway| !pathway.is_empty()) {
            if !pathways.contains(&pathway) && pathways.len() < MOST_LISTED {
                pathways.push(pathway);
            }
        }
        let playing = pathways.iter().rev().find_map(|pathway| pathway.parse().ok());
        // A player begins with the pathway of the playlist.
        let first = || pathways.first().map(|pathway| Cow::Borrowed(*pathway));
        let base = parameter(query, BASE).or_else(first).filter(|base| is_pathway(base)).map(Cow::into_owned);
        let app = parameter(query, "app").unwrap_or_default();
        let stream = parameter(query, "stream").unwrap_or_default();
        let path = (!app.is_empty()).then(|| pick::path(&app, &stream));
        Self { playing, given: parameter(query, GIVEN).and_then(|given| given.parse().ok()), path, base }
    }

    /// The pathway that the others are copies of.
    pub(super) fn base(&self) -> &str {
        self.base.as_deref().unwrap_or(DEFAULT_PATHWAY)
    }

    /// Where to ask the next time: here, with what must not be forgotten. What players add themselves is left out.
    pub(super) fn reload_uri(&self, path: &str, query: Option<&str>, given: Option<EdgeId>) -> String {
        let is_kept = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !matches!(name, BASE | GIVEN) && !name.starts_with("_HLS_") && !name.starts_with("_DASH_")
        };
        let mut uri = path.to_owned();
        let kept = pairs(query.unwrap_or_default()).filter(is_kept).map(str::to_owned);
        let base = self.base.as_ref().map(|base| format!("{BASE}={base}"));
        let given = given.map(|given| format!("{GIVEN}={given}"));
        for (pair, separator) in kept.chain(base).chain(given).zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
            uri.push(separator);
            uri.push_str(&pair);
        }
        uri
    }
}

/// So many pathways of a list are looked at. A player changes a few times between two requests at most.
const MOST_LISTED: usize = 32;

#[cfg(test)]
mod tests {
    use weir_fleet::testing::id;

    use super::*;

    #[test]
    fn a_player_says_where_it_plays_and_the_first_time_what_the_base_is() {
        let (one, two) = (id(1), id(2));
        let hls = |query: &str| Question::parse(Format::Hls, Some(query));
        let first = hls("app=live&stream=camera&_HLS_pathway=cdn-a&_HLS_throughput=1");
        assert_eq!((first.playing, first.base(), first.path.as_deref()), (None, "cdn-a", Some("live/camera")));
        let uri = first.reload_uri("/steering/hls", Some("app=live&_HLS_pathway=cdn-a&x"), Some(one));
        assert_eq!(uri, format!("/steering/hls?app=live&x&base=cdn-a&given={one}"));
        let next = hls(&format!("base=cdn-a&given={one}&_HLS_pathway={two}"));
        assert_eq!((next.playing, next.given, next.base()), (Some(two), Some(one), "cdn-a"));
        assert_eq!((hls("").base(), hls("_HLS_pathway=a%22b").base()), (".", "."));
    }

    #[test]
    fn of_a_list_the_edge_that_came_last_is_the_one() {
        let (one, two) = (id(1), id(2));
        let dash = |list: &str| Question::parse(Format::Dash, Some(&format!("_DASH_pathway=%22{list}%22")));
        assert_eq!(dash(&format!("alpha,{one},{two},{one}")).playing, Some(two));
        assert_eq!(dash(&format!("alpha,{one},{two},{one}")).base(), "alpha");
        assert_eq!((dash("alpha").playing, dash("").base()), (None, "."));
    }
}
