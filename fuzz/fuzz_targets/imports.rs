//! Configurations of other programs: whatever they say, what is printed is TOML, and no line of ldirectord's is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_balancer::ipvs::import::{keepalived, ldirectord, marking};

fuzz_target!(|text: &str| {
    for mut imported in [ldirectord::read(text), keepalived::read(text)] {
        marking::apply(&mut imported, text);
        let written = imported.to_toml("a file");
        let table: toml::Table = written.parse().expect("what is written is TOML");
        let services = table.get("kernel").and_then(|kernel| kernel.get("service")).and_then(toml::Value::as_array);
        assert_eq!(services.map_or(0, Vec::len), imported.services.len());
    }
});
