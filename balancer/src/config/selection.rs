//! `[selection]`: which edge a client gets.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use weir_fleet::{Policy, Rules, WhenFull};
use weir_fronts::redirect::OverflowTarget;
use weir_program::config::values;

/// Which edge a client gets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// By what edges are chosen. `"least-utilised"`: the lowest share of what an edge can carry, whichever of its limits
    /// is nearest; `"least-connections"` and `"least-bandwidth"`: the lowest for its weight; `"round-robin"`: one after
    /// the other by weight; `"random"`: any by capacity; `"hash"`: always the same for a stream, or for a client when no
    /// stream is named; `"wowza"`: the order of the Wowza Load Balancer AddOn. Default: `"least-utilised"`.
    #[serde(deserialize_with = "policy")]
    pub policy: Policy,
    /// Whether clients of one stream are sent to few edges, as far as that leaves the load balanced: each edge fetches a
    /// stream from its origin once. Default: false.
    pub affinity: bool,
    /// How long an edge that joins, or comes back, takes to get its full share: a cold cache must fill, and a crowd must
    /// not fall upon an empty machine. Edges that are there when the balancer starts are not new. Default: `"30s"`.
    #[serde(deserialize_with = "values::duration")]
    pub ramp: Duration,
    /// The share of all processors at which an edge is full, above 0 to 1, such as 0.9; or `"off"`, for CPU to play no
    /// part: media servers that transcode are busy and well. Default: `"off"`.
    #[serde(deserialize_with = "share_or_off")]
    pub cpu_limit: Option<f32>,
    /// What happens to a client when every edge is full and `overflow` has no place for it: `"refuse"`, or `"best-effort"`
    /// for the least utilised of the full edges. Default: `"refuse"`, since limits are there to be kept.
    #[serde(deserialize_with = "when_full")]
    pub when_full: WhenFull,
    /// Where clients go that no edge can take, as URLs: the first with a scheme of the client's protocol, such as
    /// `"https://cdn.example.com"` or `"rtmp://backup.example.com:1936"`. The client's path is put behind it. Default:
    /// none.
    #[serde(deserialize_with = "urls")]
    pub overflow: Vec<OverflowTarget>,
}

impl Default for Selection {
    fn default() -> Self {
        let Rules { policy, affinity, ramp, cpu_limit, when_full } = Rules::default();
        Self { policy, affinity, ramp, cpu_limit, when_full, overflow: Vec::new() }
    }
}

impl Selection {
    /// As the fleet takes it.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let Self { policy, affinity, ramp, cpu_limit, when_full, overflow: _ } = *self;
        Rules { policy, affinity, ramp, cpu_limit, when_full }
    }
}

fn policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
    values::named(deserializer, "a policy", &Policy::ALL.map(|policy| (policy.name(), policy)))
}

fn when_full<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WhenFull, D::Error> {
    let known = [("refuse", WhenFull::Refuse), ("best-effort", WhenFull::BestEffort)];
    values::named(deserializer, "what to do", &known)
}

fn share_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum ShareOrWord {
        Share(f32),
        Word(String),
    }
    match ShareOrWord::deserialize(deserializer) {
        Ok(ShareOrWord::Word(word)) if word == "off" => Ok(None),
        Ok(ShareOrWord::Share(share)) if share > 0.0 && share <= 1.0 => Ok(Some(share)),
        _ => Err(D::Error::custom("expected a share of all processors, above 0 to 1, such as 0.9; or \"off\"")),
    }
}

fn urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OverflowTarget>, D::Error> {
    let urls = Vec::<String>::deserialize(deserializer)?;
    urls.iter().map(|url| url.parse().map_err(D::Error::custom)).collect()
}
