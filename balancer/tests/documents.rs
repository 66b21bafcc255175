//! The documentation matches the code: TOML blocks show every key with its default, and every metric, policy, kind of
//! health check and probe is described.

#![allow(clippy::unwrap_used, reason = "test helpers are test code, too")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use weir_balancer::{Config, metrics};
use weir_checks::check::ProbeKind;
use weir_edge_agent::probe;
use weir_fleet::Policy;
use weir_fronts::relay::RelaySessions;
use weir_program::clock::Clock;
use weir_program::metrics::Registry;

/// A virtual service with required keys only.
const MINIMAL_SERVICE: &str = r#"
[[kernel.service]]
name = "windows-media"
addresses = ["192.0.2.10"]
tcp = ["554", "1755"]
udp = ["554", "1755", "1024-5000"]

[[kernel.service.server]]
address = "198.51.100.21"
"#;

/// Returns the first TOML block of a document. It shows all keys.
fn block(document: &str) -> String {
    let text = read(document);
    let (_, rest) = text.split_once("\n```toml\n").unwrap_or_else(|| panic!("{document} has no TOML block"));
    rest.split("\n```").next().unwrap().to_owned()
}

fn read(document: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document)).unwrap()
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("weir.toml")).map_err(|error| error.to_string())
}

/// Uncomments the optional keys of a block: lines such as `# name = "lb1"` and `# [tls]`.
fn with_optional_keys(block: &str) -> String {
    let uncomment = |line: &str| {
        let key = line.strip_prefix("# ").unwrap_or(line);
        let is_key = key.starts_with('[') || key.split_once(" = ").is_some_and(|(name, _)| is_name(name));
        if is_key { format!("{key}\n") } else { format!("{line}\n") }
    };
    block.lines().map(uncomment).collect()
}

fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Returns the keys of a table, from the error about an unknown one, or `None` if the header is not one of a table.
fn keys(header: &str) -> Option<Vec<String>> {
    let error = parse(&format!("{header}\nno_such_key_exists = 1\n")).err()?;
    let (_, known) = error.split_once("unknown key `no_such_key_exists`; expected ")?;
    Some(known.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Returns the paths of all keys of the configuration, such as `limits.http.head`, without those of tables.
fn all_keys() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut tables = vec![Vec::<String>::new()];
    while let Some(path) = tables.pop() {
        let name = path.join(".");
        // A header of the wrong one of these forms is a type error, which names no keys.
        let headers =
            if path.is_empty() { vec![String::new()] } else { vec![format!("[{name}]"), format!("[[{name}]]")] };
        let is_in_service = path.len() > 2 && name.starts_with("kernel.service.");
        let parent = if is_in_service { "[[kernel.service]]\n" } else { "" };
        match headers.iter().find_map(|header| keys(&format!("{parent}{header}"))) {
            Some(keys) => tables.extend(keys.into_iter().map(|key| [path.clone(), vec![key]].concat())),
            None => drop(all.insert(name)),
        }
    }
    all
}

/// Returns the paths of the keys in a text.
fn keys_set(text: &str) -> BTreeSet<String> {
    fn collect(path: &str, value: &toml::Value, all: &mut BTreeSet<String>) {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(key, value)| collect(&below(key), value, all)),
            toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
                items.iter().for_each(|item| collect(path, item, all));
            }
            _ => drop(all.insert(path.to_owned())),
        }
    }
    let mut all = BTreeSet::new();
    collect("", &toml::Value::Table(text.parse().unwrap()), &mut all);
    all
}

fn assert_same_configuration(documented: &str, document: &str, expected: &str) {
    let documented = parse(documented).unwrap_or_else(|error| panic!("docs/{document}: {error}"));
    assert_eq!(format!("{documented:#?}"), format!("{:#?}", parse(expected).unwrap()), "docs/{document}");
}

#[test]
fn the_balancer_page_shows_the_default_configuration() {
    assert_same_configuration(&block("balancer.md"), "balancer.md", "");
}

#[test]
fn the_kernel_mode_pages_show_the_defaults() {
    assert_same_configuration(&block("kernel.md"), "kernel.md", MINIMAL_SERVICE);
    let check = format!("{MINIMAL_SERVICE}\n{}", block("kernel-checks.md"));
    let minimal_check = format!("{MINIMAL_SERVICE}\n[kernel.service.check]\nkind = \"rtsp\"\n");
    assert_same_configuration(&check, "kernel-checks.md", &minimal_check);
}

#[test]
fn optional_keys_are_valid_examples() {
    for document in ["balancer.md", "kernel.md"] {
        let text = with_optional_keys(&block(document));
        parse(&text).unwrap_or_else(|error| panic!("docs/{document}, with its optional keys: {error}\n{text}"));
    }
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let documented: BTreeSet<String> = ["balancer.md", "kernel.md", "kernel-checks.md"]
        .iter()
        .flat_map(|document| keys_set(&with_optional_keys(&block(document))))
        .collect();
    let all = all_keys();
    assert!(all.len() > 80, "keys were not found: {all:?}");
    // A table that can also be a plain value, such as `edges`, may be shown as that.
    let is_shown =
        |key: &&String| documented.iter().any(|shown| *key == shown || key.starts_with(&format!("{shown}.")));
    let missing: Vec<_> = all.iter().filter(|key| !is_shown(key)).collect();
    assert!(missing.is_empty(), "undocumented keys: {missing:?}");
    let unknown: Vec<_> = documented.iter().filter(|key| !all.iter().any(|known| known.starts_with(*key))).collect();
    assert!(unknown.is_empty(), "documented keys that do not exist: {unknown:?}");
}

/// Returns the metrics in the tables of a document with their labels, as in `` | `weir_edges{state}` | ``.
fn documented_metrics(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let text = read(document);
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `weir_")?.split('`').next());
    cells
        .map(|cell| {
            let (name, labels) = cell.split_once('{').unwrap_or((cell, ""));
            let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
            (format!("weir_{name}"), labels.map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn the_tables_of_metrics_list_every_metric_with_its_labels() {
    let registry = Registry::default();
    let sources = metrics::Sources {
        fleet: Arc::default(),
        clock: Clock::start(),
        relayed: Arc::new(RelaySessions::new(1)),
        kernel: Some(Arc::default()),
    };
    let _counters = metrics::register(&registry, sources);
    let mut documented = documented_metrics("balancer.md");
    documented.extend(documented_metrics("kernel.md"));
    assert_eq!(documented, registry.labels());
}

/// Asserts that each entry of a page begins a line of it.
fn assert_described(page: &str, entries: impl IntoIterator<Item = String>) {
    let text = read(page);
    for entry in entries {
        assert!(text.lines().any(|line| line.starts_with(&entry)), "docs/{page} has no line that begins with {entry}");
    }
}

#[test]
fn every_policy_is_described() {
    assert_described("selection.md", Policy::ALL.map(|policy| format!("| `{}` ", policy.name())));
    let block = block("balancer.md");
    for policy in Policy::ALL {
        assert!(block.contains(&format!("\"{}\"", policy.name())), "docs/balancer.md: {}", policy.name());
    }
}

#[test]
fn every_kind_of_health_check_is_described() {
    assert_described("kernel-checks.md", ProbeKind::ALL.map(|kind| format!("| `\"{kind}\"` ")));
}

#[test]
fn every_probe_of_the_agent_is_described() {
    assert_described("agent.md", probe::KINDS.iter().map(|kind| format!("**`{}`** ", kind.syntax())));
}
