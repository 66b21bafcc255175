//! Imports of configurations of other programs: the output is always TOML, and a valid configuration if it is complete.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use weir_balancer::Config;
use weir_kernel::import::{iptables, keepalived, ldirectord};

fuzz_target!(|text: &str| {
    for mut imported in [ldirectord::read(text), keepalived::read(text)] {
        iptables::apply(&mut imported, text);
        let written = imported.to_toml("a file");
        let table: toml::Table = written.parse().expect("the output is TOML");
        let services = table.get("kernel").and_then(|kernel| kernel.get("service")).and_then(toml::Value::as_array);
        assert_eq!(services.map_or(0, Vec::len), imported.services.len());
        if imported.is_complete() {
            Config::parse(&written, Path::new("weir.toml")).expect("the output is a configuration");
        }
    }
});
