//! Properties of all imports: nothing is lost silently, and complete output is a valid configuration.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::tests::toml;
use super::*;

/// A file with valid and invalid lines.
fn ldirectord_text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("virtual = 192.0.2.10:80".to_owned()),
        Just("virtual = 5".to_owned()),
        Just("    real = 10.0.0.1->10.0.0.9:80 masq 3 \"/\", \"x.*\"".to_owned()),
        "( {4})?(real|fallback|checktype|service|request|receive|netmask|quiescent|protocol|nonsense) ?= ?[\"a-z0-9./:>\\-# ]{0,20}",
        "[ \t]{0,4}\\PC{0,30}",
    ];
    vec(line, 0..20).prop_map(|lines| lines.join("\n"))
}

fn keepalived_text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("virtual_server 192.0.2.10 80 {".to_owned()),
        Just("virtual_server fwmark 5 {".to_owned()),
        Just("real_server 10.0.0.1 80 {".to_owned()),
        Just("HTTP_GET {".to_owned()),
        Just("url {".to_owned()),
        Just("}".to_owned()),
        "(weight|lb_kind|lb_algo|path|virtualhost|quorum|misc_path|sorry_server|status_code|retry|nonsense) [\"a-zA-Z0-9./ ]{0,12}",
        "[ \t]{0,4}\\PC{0,30}",
    ];
    vec(line, 0..20).prop_map(|lines| lines.join("\n"))
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1..6_u8).prop_map(|host| format!("10.0.0.{host}")),
        2 => (1..4_u8).prop_map(|host| format!("192.0.2.{host}")),
        1 => (1..4_u8).prop_map(|host| format!("2001:db8::{host}")),
        1 => select(vec![
            "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "169.254.0.1", "::1", "fe80::1", "ff02::1",
            "::ffff:10.0.0.1", "web",
        ])
        .prop_map(str::to_owned),
    ]
}

/// Numbers at the limits of various ranges.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        select(vec![0, 1, 2, 60, 80, 100, 655, 656, 3600, 3601, 65_535, 65_536, 2_678_401, 42_949_673, u32::MAX]),
        0..200_u32,
    ]
}

fn port() -> impl Strategy<Value = u16> {
    select(vec![0, 1, 53, 80, 443, 554, 65_535])
}

fn at() -> impl Strategy<Value = String> {
    (address(), port()).prop_map(|(address, port)| {
        if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
    })
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["/", "/a#b", "/a b", "a", "example.com", "example.com:80", "a_b", "", "\u{7f}", "none", "x.*"])
            .prop_map(str::to_owned),
        select(vec![1_usize, 1199, 1200]).prop_map(|length| format!("/{}", "a".repeat(length))),
        "\\PC{0,12}",
    ]
}

/// A service of ldirectord with plausible lines.
fn ldirectord_service() -> impl Strategy<Value = String> {
    let known = prop_oneof![at(), (1..4_u32).prop_map(|mark| mark.to_string())];
    let method = select(vec!["gate", "masq", "ipip"]);
    let check = (word(), word()).prop_map(|(path, text)| format!(" \"{path}\", \"{text}\""));
    let real = (at(), method, proptest::option::of(number()), proptest::option::of(check)).prop_map(
        |(at, method, weight, check)| {
            let weight = weight.map(|weight| format!(" {weight}")).unwrap_or_default();
            format!("real = {at} {method}{weight}{}", check.unwrap_or_default())
        },
    );
    let option = prop_oneof![
        4 => real,
        1 => at().prop_map(|at| format!("fallback = {at}")),
        1 => select(vec!["connect", "negotiate", "external", "external-perl", "ping", "on", "off", "3"])
            .prop_map(|kind| format!("checktype = {kind}")),
        1 => select(vec!["http", "https", "simpletcp", "dns", "ftp", "none"])
            .prop_map(|service| format!("service = {service}")),
        1 => (select(vec!["request", "receive", "virtualhost", "scheduler", "checkcommand"]), word())
            .prop_map(|(name, value)| format!("{name} = \"{value}\"")),
        1 => (select(vec!["checkport", "checktimeout", "checkinterval", "failurecount", "persistent", "netmask"]), number())
            .prop_map(|(name, value)| format!("{name} = {value}")),
        1 => select(vec!["protocol = udp", "protocol = tcp", "ops = yes", "netmask = 0.0.0.0", "quiescent = yes"])
            .prop_map(str::to_owned),
    ];
    (known, vec(option, 1..10))
        .prop_map(|(known, options)| format!("virtual = {known}\n    {}\n", options.join("\n    ")))
}

/// A virtual server of keepalived with plausible options.
fn keepalived_service() -> impl Strategy<Value = String> {
    let known = prop_oneof![
        (address(), port()).prop_map(|(address, port)| format!("{address} {port}")),
        (1..4_u32).prop_map(|mark| format!("fwmark {mark}")),
        Just("group g".to_owned()),
    ];
    let numbers = select(vec![
        "weight",
        "uthreshold",
        "lthreshold",
        "delay_loop",
        "connect_timeout",
        "retry",
        "quorum",
        "hysteresis",
        "persistence_timeout",
        "connect_port",
        "misc_timeout",
        "persistence_granularity",
    ]);
    let words = select(vec!["virtualhost", "misc_path", "lb_algo", "path"]);
    let option = prop_oneof![
        (numbers, number()).prop_map(|(name, value)| format!("{name} {value}")),
        (words, word()).prop_map(|(name, value)| format!("{name} \"{value}\"")),
        select(vec![
            "ops",
            "protocol UDP",
            "protocol TCP",
            "lb_kind DR",
            "lb_kind TUN type gue port 0",
            "lb_kind TUN type gue port 7",
            "sh-fallback",
            "alpha",
            "persistence_timeout",
            "persistence_granularity 0.0.0.0",
            "status_code 200 700",
        ])
        .prop_map(str::to_owned),
        (address(), port()).prop_map(|(address, port)| format!("sorry_server {address} {port}")),
    ]
    .boxed();
    let kind = select(vec!["TCP_CHECK", "HTTP_GET", "SSL_GET", "MISC_CHECK", "UDP_CHECK", "SMTP_CHECK", "PING_CHECK"]);
    let check = (kind, vec(option.clone(), 0..4), vec(option.clone(), 0..3)).prop_map(|(kind, options, url)| {
        format!("{kind} {{\n{}\nurl {{\n{}\n}}\n}}", options.join("\n"), url.join("\n"))
    });
    let real = (address(), port(), vec(option.clone(), 0..3), proptest::option::of(check)).prop_map(
        |(address, port, options, check)| {
            format!("real_server {address} {port} {{\n{}\n{}\n}}", options.join("\n"), check.unwrap_or_default())
        },
    );
    (known, vec(option, 0..6), vec(real, 1..4)).prop_map(|(known, options, reals)| {
        format!("virtual_server {known} {{\n{}\n{}\n}}\n", options.join("\n"), reals.join("\n"))
    })
}

fn rules() -> impl Strategy<Value = String> {
    let ports = select(vec!["80", "0", "554,8000:8010", "1:65535", "6970:7000", "53"]);
    let rule = (address(), select(vec!["tcp", "udp"]), ports, 1..4_u32).prop_map(|(address, protocol, ports, mark)| {
        format!("-A PREROUTING -d {address} -p {protocol} -m multiport --dports {ports} -j MARK --set-mark {mark}")
    });
    vec(rule, 0..6).prop_map(|rules| rules.join("\n"))
}

const GROUP: &str = "virtual_server_group g {\n192.0.2.1-3 80\n2001:db8::2 80\nfwmark 2\n192.0.2.8/30 0\n}\n";

proptest! {
    // `toml` checks that complete output is valid.
    #[test]
    fn complete_output_is_a_valid_configuration(
        ldirectord in vec(ldirectord_service(), 1..4),
        keepalived in vec(keepalived_service(), 1..4),
        rules in rules(),
    ) {
        let keepalived = format!("{GROUP}{}", keepalived.concat());
        for imported in [ldirectord::read(&ldirectord.concat()), keepalived::read(&keepalived)] {
            toml(&imported);
            let mut marked = imported;
            iptables::apply(&mut marked, &rules);
            toml(&marked);
        }
    }

    #[test]
    fn no_line_of_ldirectord_is_lost_silently(text in ldirectord_text()) {
        let imported = ldirectord::read(&text);
        toml(&imported);
        for (index, line) in text.lines().enumerate() {
            let is_empty = line.trim().is_empty() || line.trim().starts_with('#');
            let number = index + 1;
            prop_assert!(is_empty || imported.accounts_for(number), "line {}: {}", number, line);
        }
    }

    #[test]
    fn no_line_of_keepalived_is_lost_silently(text in keepalived_text()) {
        let imported = keepalived::read(&text);
        toml(&imported);
        for (index, line) in text.lines().enumerate() {
            let is_brace = |character: char| "{}".contains(character) || character.is_whitespace();
            let rest = line.trim_start_matches(is_brace);
            let is_empty = rest.is_empty() || rest.starts_with(['#', '!']) || rest.trim_end_matches(is_brace) == "\"\"";
            let number = index + 1;
            prop_assert!(is_empty || imported.accounts_for(number), "line {}: {}", number, line);
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in "\\PC{0,200}", rules in "\\PC{0,100}") {
        for mut imported in [ldirectord::read(&text), keepalived::read(&text)] {
            iptables::apply(&mut imported, &rules);
            toml(&imported);
        }
    }
}
