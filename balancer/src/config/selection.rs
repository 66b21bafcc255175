//! `[selection]`: how an edge is chosen for a client.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IntoDeserializer};
use weir_fleet::{Policy, Rules, WhenFull};
use weir_fronts::settings::OverflowTarget;
use weir_program::config::values;

/// How an edge is chosen for a client. docs/selection.md describes the algorithms.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// [`Policy`] by which an edge is chosen, by its [name](Policy::name). Default: `"least-utilised"`.
    #[serde(deserialize_with = "policy")]
    pub policy: Policy,
    /// Whether clients of the same stream are sent to few edges, as far as the load stays balanced: each edge fetches a
    /// stream only once from its origin. Use it where origins or caches are the bottleneck. Default: false.
    pub affinity: bool,
    /// Time over which a new edge, or one that returns, gets an increasing share of clients (slow start): its cache
    /// must fill, and a crowd must not rush to an empty machine. Edges that report while the balancer starts are not
    /// new. `"0s"` disables it. Default: `"30s"`.
    #[serde(deserialize_with = "values::duration")]
    pub ramp: Duration,
    /// CPU utilisation at which an edge is full, above 0 to 1, such as 0.9; or `"off"` to ignore CPU. Media servers
    /// that transcode use all processors and work well. Default: `"off"`.
    #[serde(deserialize_with = "share_or_off")]
    pub cpu_limit: Option<f32>,
    /// What happens when every edge is full and no `overflow` target fits: `"refuse"` refuses the client,
    /// `"best-effort"` sends it to the least utilised of the full edges. Default: `"refuse"`, which protects the
    /// clients that are connected.
    #[serde(deserialize_with = "when_full")]
    pub when_full: WhenFull,
    /// Overflow targets: URLs outside the fleet for clients that no edge can take, such as `"https://cdn.example.com"`
    /// or `"rtmp://backup.example.com:1936"`. The first one with a scheme of the client's protocol is used, and the
    /// client's path is appended to it. Default: none.
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
    /// Returns the rules as the fleet applies them.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let Self { policy, affinity, ramp, cpu_limit, when_full, overflow: _ } = *self;
        Rules { policy, affinity, ramp, cpu_limit, when_full }
    }
}

fn policy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
    let name = String::deserialize(deserializer)?;
    match Policy::named(&name) {
        Some(policy) => Ok(policy),
        // For the error, which lists the names.
        None => values::named(name.into_deserializer(), "a policy", &Policy::ALL.map(|policy| (policy.name(), policy))),
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use weir_fleet::Policy;

    use crate::config::Config;

    #[test]
    fn the_policy_may_have_the_american_spelling() {
        let policy = |name: &str| {
            let text = format!("[selection]\npolicy = \"{name}\"");
            Config::parse(&text, Path::new("weir.toml")).map(|config| config.rules.policy)
        };
        assert_eq!(policy("least-utilized").unwrap(), Policy::LeastUtilised);
        assert_eq!(policy("least-utilised").unwrap(), Policy::LeastUtilised);
    }
}
