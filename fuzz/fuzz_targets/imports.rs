//! Configurations of other programs: whatever they say, what is printed is TOML, and a configuration of Weir's unless something
//! is to be filled in.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use weir_balancer::Config;
use weir_kernel::import::{keepalived, ldirectord, marking};

fuzz_target!(|text: &str| {
    for mut imported in [ldirectord::read(text), keepalived::read(text)] {
        marking::apply(&mut imported, text);
        let written = imported.to_toml("a file");
        let table: toml::Table = written.parse().expect("what is written is TOML");
        let services = table.get("kernel").and_then(|kernel| kernel.get("service")).and_then(toml::Value::as_array);
        assert_eq!(services.map_or(0, Vec::len), imported.services.len());
        if imported.is_whole() {
            Config::parse(&written, Path::new("weir.toml")).expect("what is written is a configuration");
        }
    }
});
