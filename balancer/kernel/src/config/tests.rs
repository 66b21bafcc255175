//! Tests of the sections, and fixtures for other tests, which configure their services as operators do.

use std::path::Path;

use weir_program::config::Error;

use super::*;
use crate::model::{Family, Forwarding, ServiceKey};
use crate::settings::VirtualService;

/// A configuration file with nothing but kernel mode.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    kernel: KernelSection,
}

/// The settings of a configuration file.
pub(crate) fn try_parse(text: &str) -> Result<Option<Settings>, String> {
    let path = Path::new("weir.toml");
    let file: File = toml::from_str(text).map_err(|error| Error::in_text(path, text, &error).to_string())?;
    file.kernel.settings().map_err(|error| Error::in_section(path, text, &error).to_string())
}

/// The settings of a valid configuration with a service.
pub(crate) fn parse_settings(text: &str) -> Settings {
    try_parse(text).unwrap().unwrap()
}

/// The services of a valid configuration.
pub(crate) fn parse_services(text: &str) -> Vec<VirtualService> {
    parse_settings(text).services
}

const MINIMAL: &str =
    "[[kernel.service]]\nname = \"web\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true\n";

#[test]
fn without_services_there_is_no_kernel_mode() {
    assert!(try_parse("").unwrap().is_none());
}

#[test]
fn a_service_requires_a_name_an_address_a_port_and_a_server() {
    let services = parse_services(MINIMAL);
    let [service] = &services[..] else { panic!("{services:?}") };
    assert_eq!((service.mark.number(), service.quorum, service.drain), (0x5700_0000, 1, Duration::from_secs(600)));
    assert_eq!(service.method.to([10, 0, 0, 1].into()), Forwarding::DirectRoute);
    assert_eq!(service.families[&Family::V4].scheduler.as_str(), "wlc");
    for (line, message) in [
        ("name = \"web\"\n", "missing key `name`"),
        ("addresses = [\"192.0.2.10\"]\n", "missing key `addresses`"),
        ("tcp = [\"80\"]\n", "service `web`: no ports; add some to `tcp` or `udp`"),
        ("edges = true\n", "service `web`: no servers; add a [[kernel.service.server]], or `edges = true`"),
    ] {
        assert_eq!(try_parse(&MINIMAL.replace(line, "")).unwrap_err(), format!("weir.toml:1: {message}"));
    }
}

#[test]
fn every_key_can_be_set() {
    let kernel = parse_settings(
        r#"
        [kernel]
        only = true
        marks = "0x100-0x1ff"
        interval = "500ms"
        on_exit = "drain"
        tcp_timeout = "15m"
        udp_timeout = "5m"
        set_sysctls = false
        concurrent_checks = 10
        [kernel.directors]
        track_file = "/run/x"
        notify_fifo = "/run/y"
        sync_interface = "eth1"
        sync_id = 7
        [[kernel.service]]
        name = "windows-media"
        addresses = ["192.0.2.10", "2001:db8::10"]
        tcp = ["554", "1755"]
        udp = ["554", "1755", "1024-5000"]
        mark = 1
        scheduler = "rr"
        persistence = "10m"
        persistence_prefix = 24
        persistence_prefix6 = 64
        method = "gue"
        gue_port = 6081
        upper_threshold = 100
        lower_threshold = 50
        edges = { zone = "eu", protocol = "rtsp" }
        sorry_server = ["192.0.2.99", "2001:db8::99"]
        quorum = 2
        hysteresis = 1
        drain = "1h"
        [[kernel.service.server]]
        address = "10.0.0.1"
        weight = 7
        method = "nat"
        [[kernel.service]]
        name = "other"
        addresses = ["192.0.2.10"]
        udp = ["5001-6000"]
        one_packet = true
        sorry_server = "192.0.2.99"
        edges = true
        "#,
    );
    let [media, other] = &kernel.services[..] else { panic!("{:?}", kernel.services) };
    assert_eq!((media.mark.number(), other.mark.number()), (1, 0x100));
    let keys: Vec<String> = media.keys().map(|key| key.to_string()).collect();
    assert_eq!(keys, ["mark 1", "mark 1 (IPv6)"]);
    assert!(media.keys().chain(other.keys()).all(|key| kernel.owned.owns(&key)));
    let mark = Mark::new(2).unwrap();
    assert!(!kernel.owned.owns(&ServiceKey::Marked { family: Family::V4, mark }));
    let prefix = |family| media.families[&family].persistence.unwrap().prefix;
    assert_eq!((prefix(Family::V4), prefix(Family::V6)), (24, 64));
    assert_eq!((media.servers[0].weight, media.servers[0].method.ipv4), (7, Forwarding::Masquerade));
    assert_eq!(media.sorry_server(Family::V6).unwrap().0.address.to_string(), "2001:db8::99");
    assert_eq!(kernel.timeouts, Some(Timeouts { tcp: 900, tcp_fin: 0, udp: 300 }));
    assert_eq!(kernel.directors.unwrap().sync_interface.unwrap().as_str(), "eth1");
}

#[test]
fn an_invalid_value_is_rejected_with_its_line_and_a_remedy() {
    for (text, message) in [
        (
            "[kernel]\nmarks = \"0-5\"",
            "2: `0-5` is not a valid range of marks; expected FIRST-LAST, such as \"0x57000000-0x5700ffff\", with at most 65536 \
             marks and without 0",
        ),
        ("[kernel]\ninterval = \"1ms\"", "2: out of range: expected 100ms to 60s"),
        (
            "[kernel]\non_exit = \"stop\"",
            "2: `stop` is not an on_exit policy: expected one of `keep`, `drain`, `remove`",
        ),
        ("[kernel]\ntcp_timeout = \"1.5s\"", "2: out of range: expected whole seconds, 1s to 596h"),
        ("[kernel]\ntcp_fin_timeout = \"597h\"", "2: out of range: expected whole seconds, 1s to 596h"),
        ("[kernel]\nudp_timeout = \"744h\"", "2: out of range: expected whole seconds, 1s to 596h"),
        ("[kernel.directors]\nsync_id = 0", "2: out of range: expected 1 to 255"),
        (
            "[kernel.directors]\nsync_interface = \"a b\"",
            "2: `a b` is not a valid interface name; expected 1 to 15 printable ASCII characters without blanks",
        ),
    ] {
        assert_eq!(try_parse(text).unwrap_err(), format!("weir.toml:{message}"), "{text}");
    }
    for (line, message) in [
        (
            "udp = [\"5000-1024\"]",
            "6: `5000-1024` is not a port or port range; expected 1 to 65535, such as \"554\" or \"1024-5000\"",
        ),
        ("method = \"dr\"", "6: `dr` is not a method: expected one of `direct`, `nat`, `ipip`, `gue`, `gre`, `local`"),
        (
            "check.through_address = true\nmethod = \"local\"",
            "1: service `web`: `through_address` cannot be used with method `local`; remove it",
        ),
        (
            "check.through_address = true\ncheck.source = \"192.0.2.10\"",
            "1: service `web`: `source` 192.0.2.10 is a virtual address, which servers have as well; remove it",
        ),
        (
            "check.kind = \"udp\"",
            "1: service `web`: the check has no port, and the service has no udp port; add `port`",
        ),
        ("edges = { zne = \"eu\" }", "6: unknown key `zne`; did you mean `zone`?"),
        ("persistence = \"745h\"", "6: out of range: expected whole seconds, 1s to 744h"),
        ("scheduler = \"none\"", "6: `none` is not a scheduler; remove the key for the default"),
        ("sorry_server = \"fe80::1\"", "6: `fe80::1` is not a unicast address of another machine"),
        ("sorry_server = \"192.0.2.10\"", "1: service `web`: sorry server 192.0.2.10 is a virtual address; remove it"),
        (
            "[[kernel.service.server]]\naddress = \"192.0.2.10\"",
            "6: server 192.0.2.10 is a virtual address, which this machine has itself; remove it",
        ),
        ("quorum = 0", "6: out of range: expected 1 to 65535"),
        (
            "sorry_server = \"192.0.2.99:80\"",
            "6: `192.0.2.99:80` is not an IP address: expected IPv4 or IPv6 without port or prefix, such as \"192.0.2.10\"",
        ),
        (
            "sorry_server = \"2001:db8::1\"",
            "1: service `web`: sorry server 2001:db8::1: the service has no IPv6 addresses",
        ),
        ("lower_threshold = 2", "1: service `web`: `lower_threshold` is above `upper_threshold`; swap them"),
        ("one_packet = true", "1: service `web`: `one_packet` is for UDP only; put TCP ports into another service"),
        (
            "[[kernel.service.server]]\naddress = \"2001:db8::1\"",
            "6: server 2001:db8::1: the service has no IPv6 addresses",
        ),
        (
            "[[kernel.service.server]]\naddress = \"10.0.0.1\"\n[[kernel.service.server]]\naddress = \"10.0.0.1\"",
            "8: duplicate server 10.0.0.1; increase its weight instead",
        ),
        ("[[kernel.service.server]]\naddress = \"10.0.0.1\"\nweight = 0", "8: out of range: expected 1 to 65535"),
    ] {
        let text = if line.starts_with("edges") { MINIMAL.replace("edges = true\n", "\n") } else { MINIMAL.to_owned() };
        let text = format!("{text}{line}\n");
        assert_eq!(try_parse(&text).unwrap_err(), format!("weir.toml:{message}"), "{text}");
    }
}

#[test]
fn an_address_that_no_server_can_have_is_rejected() {
    let with = |address: &str| {
        let families = "addresses = [\"192.0.2.10\", \"2001:db8::10\"]";
        let text = MINIMAL.replace("addresses = [\"192.0.2.10\"]", families);
        try_parse(&format!("{text}[[kernel.service.server]]\naddress = \"{address}\"\n"))
    };
    for address in
        ["255.255.255.255", "0.1.2.3", "224.0.0.1", "127.0.0.1", "fe80::1", "::ffff:10.0.0.1", "ff02::1", "::1"]
    {
        let expected = format!("weir.toml:7: `{address}` is not a unicast address of another machine");
        assert_eq!(with(address).unwrap_err(), expected);
    }
    for address in ["10.0.0.255", "169.254.0.1", "2001:db8::1", "fd00::1"] {
        assert!(with(address).is_ok(), "{address}");
    }
}

#[test]
fn the_director_itself_can_be_a_server_by_method_local_only() {
    let server = "[[kernel.service.server]]\naddress = \"192.0.2.10\"\n";
    assert!(try_parse(&format!("{MINIMAL}{server}method = \"local\"\n")).is_ok());
    let other = MINIMAL.replace("192.0.2.10", "192.0.2.11").replace("web", "other");
    assert_eq!(
        try_parse(&format!("{other}{server}{MINIMAL}")).unwrap_err(),
        "weir.toml:6: server 192.0.2.10 is a virtual address, which this machine has itself; remove it"
    );
}

#[test]
fn the_number_of_open_files_depends_on_the_kind_of_check() {
    let files = |lines: &str| {
        try_parse(&format!("[kernel]\nconcurrent_checks = 10\n{MINIMAL}{lines}")).unwrap().unwrap().files()
    };
    for (lines, expected) in [
        ("", 0),
        ("check.kind = \"none\"\n", 0),
        ("check.kind = \"tcp\"\n", 10),
        ("check = { kind = \"exec\", command = [\"/bin/true\"] }\n", 40),
    ] {
        assert_eq!(files(lines), expected, "{lines}");
    }
}

#[test]
fn hashing_schedulers_get_the_fallback_flag() {
    for (scheduler, falls_back) in [("mh", true), ("sh", true), ("wlc", false), ("dh", false)] {
        let services = parse_services(&format!("{MINIMAL}scheduler = \"{scheduler}\"\n"));
        assert_eq!(services[0].families[&Family::V4].scheduler_flags.0, [falls_back, false, false], "{scheduler}");
    }
}

#[test]
fn conflicting_services_are_rejected_with_the_line_of_the_second() {
    let second =
        |name: &str, lines: &str| format!("{MINIMAL}[[kernel.service]]\nname = \"{name}\"\nedges = true\n{lines}\n");
    for (text, message) in [
        (
            second("web", "addresses = [\"192.0.2.11\"]\ntcp = [\"80\"]"),
            "duplicate service name `web`; give each [[kernel.service]] its own name",
        ),
        (
            second("other", "addresses = [\"192.0.2.10\"]\ntcp = [\"1-100\"]"),
            "service `other`: 192.0.2.10 tcp 80 would get mark 1459617792, but 192.0.2.10 tcp 1-100 has mark 1459617793; \
             remove it from one of the services",
        ),
        (
            second("other", "addresses = [\"192.0.2.11\", \"2001:db8::1\"]\ntcp = [\"80\"]")
                .replacen("\nedges = true\n[[", "\nmark = 7\nedges = true\n[[", 1)
                .replace("\"other\"\n", "\"other\"\nmark = 7\n"),
            "service `other`: mark 7 is already used by `web`; choose another, or none",
        ),
    ] {
        let error = try_parse(&text).unwrap_err();
        assert!(error.ends_with(message), "{error}\n{text}");
        assert!(error.starts_with("weir.toml:6: ") || error.starts_with("weir.toml:7: "), "{error}\n{text}");
    }
    assert_eq!(
        try_parse(&format!(
            "[kernel]\nmarks = \"5\"\n{}",
            second("other", "addresses = [\"192.0.2.11\"]\ntcp = [\"80\"]")
        ))
        .unwrap_err(),
        "weir.toml:8: more services than `marks`; enlarge the range"
    );
    let checked = "check.through_address = true\n[[kernel.service.server]]\naddress = \"10.0.0.1\"\n";
    assert!(try_parse(&format!("[kernel]\nmarks = \"5-6\"\n{MINIMAL}{checked}")).is_ok());
    assert_eq!(
        try_parse(&format!("[kernel]\nmarks = \"5\"\n{MINIMAL}{checked}")).unwrap_err(),
        "weir.toml:3: not enough `marks`: with `through_address`, each server takes one; enlarge the range"
    );
}
