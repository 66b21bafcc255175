//! What people would notice of imports: the services that there are afterwards, and that nothing got lost in silence.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::config::kernel::Method;
use crate::config::kernel::check::Kind;
use crate::ipvs::model::Protocol;

/// What is printed: a configuration, but for what a comment asks people to fill in.
fn toml(imported: &Imported) -> toml::Table {
    let text = imported.to_toml("a file");
    if imported.is_whole()
        && let Err(error) = Config::parse(&text, Path::new("weir.toml"))
    {
        panic!("{error}\n{text}");
    }
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn whys(imported: &Imported) -> Vec<(usize, &str)> {
    imported.all_notes().map(|note| (note.line, note.why.as_str())).collect()
}

const TERMINAL_SERVERS: &str = "logfile=\"local0\"
virtual=10.140.20.9:3389
real=10.140.20.11 gate
real=10.140.20.13 gate
real=10.140.20.15->10.140.20.17 gate
scheduler=wlc
";

#[test]
fn what_another_service_has_is_left_out() {
    let imported = ldirectord::read(&TERMINAL_SERVERS.repeat(2));
    assert_eq!(imported.services.len(), 1);
    assert!(whys(&imported).iter().any(|(line, why)| *line == 8 && why.contains("of line 2")), "{:?}", whys(&imported));
    toml(&imported);
}

#[test]
fn terminal_servers_come_over() {
    let imported = ldirectord::read(TERMINAL_SERVERS);
    let [service] = &imported.services[..] else { panic!("{imported:?}") };
    assert_eq!((service.name.as_str(), service.scheduler.as_str()), ("10-140-20-9-tcp-3389", "wlc"));
    assert_eq!(service.ports, [(Protocol::Tcp, 3389.into())]);
    assert_eq!(service.servers.len(), 5);
    assert_eq!(service.method, Method::Direct);
    // What ldirectord does without a word, Weir says.
    assert!(whys(&imported).iter().any(|(line, why)| *line == 2 && why.contains("checks nothing")));
    assert!(whys(&imported).iter().any(|(line, why)| *line == 1 && why.contains("standard error")));
    let table = toml(&imported);
    assert_eq!(table["kernel"]["service"][0]["server"][1]["address"].as_str(), Some("10.140.20.13"));
    assert_eq!(table["kernel"]["service"][0]["tcp"][0].as_str(), Some("3389"));
}

#[test]
fn every_directive_of_ldirectord_has_its_place() {
    let imported = ldirectord::read(
        r#"
checktimeout = 3
checkinterval = 7
quiescent = no
cleanstop = no
fallback = 192.0.2.99:80
virtual = 192.0.2.10:80
    real = 10.0.0.1:80 masq 3 "/alive", "all well"
    real = 10.0.0.2:80 masq 1 "/alive", "all well"
    service = http
    scheduler = wrr
    persistent = 600
    netmask = 255.255.255.0
    protocol = tcp
    virtualhost = "media.example.com"
    checkport = 8080
    negotiatetimeout = 9
    failurecount = 4
virtual = 7
    real = 10.0.0.1 ipip
    real = 10.0.0.2 gate
    real = 10.0.0.3 gate
    protocol = fwm
    checktype = external
    checkcommand = "/usr/lib/check --fast"
"#,
    );
    let [web, marked] = &imported.services[..] else { panic!("{imported:?}") };
    assert_eq!(whys(&imported), []);
    assert_eq!(imported.on_exit, Some(OnExit::Keep));
    assert_eq!((web.persistence, web.persistence_prefix), (Some(600), Some(24)));
    assert_eq!(web.servers.iter().map(|server| server.weight).collect::<Vec<_>>(), [300, 100]);
    assert_eq!(web.sorry_server, Some("192.0.2.99".parse().unwrap()));
    let check = &web.check;
    assert_eq!((check.kind, check.port, check.fall), (Kind::Http, Some(8080), Some(4)));
    assert_eq!((check.path.as_deref(), check.receive.as_deref()), (Some("/alive"), Some("all well")));
    assert_eq!((check.interval, check.timeout), (Some(7), Some(9)));
    assert_eq!((marked.mark, marked.method, marked.servers[0].method), (Some(7), Method::Direct, Method::Ipip));
    assert_eq!(marked.check.command, ["/usr/lib/check", "--fast", "7", "0", "{address}", "{port}"]);
    assert_eq!(marked.check.timeout, Some(3));
    assert_eq!(toml(&imported)["kernel"]["service"][1]["mark"].as_integer(), Some(7));
}

#[test]
fn what_cannot_be_carried_is_named_with_its_line() {
    let imported = ldirectord::read(
        "virtual = 192.0.2.10:80
    real = web1:80 gate
    real = 10.0.0.1:8080 masq
    real = 10.0.0.1:80 masq
    checktype = ping
    scheduler = wlc
    nonsense = 1
    emailalert = \"root\"
virtual = www:80
    real = 10.0.0.1 gate
",
    );
    let lines: Vec<usize> = whys(&imported).into_iter().map(|(line, _)| line).collect();
    for line in [2, 3, 4, 5, 7, 8, 9, 10] {
        assert!(lines.contains(&line), "line {line}: {imported:?}");
    }
    assert_eq!(imported.services.len(), 1);
}

const KEEPALIVED: &str = r#"
global_defs { router_id lvs1 }
virtual_server_group media {
    192.0.2.10-11 554
    2001:db8::10 554
    fwmark 3
}
virtual_server fwmark 1 {
    delay_loop 6
    lb_algo wlc
    lb_kind DR
    persistence_timeout 50
    real_server 10.10.3.20 554 {
        weight 1
        MISC_CHECK {
            misc_path "/etc/keepalived/rtsp.sh 10.10.3.20"
            misc_timeout 4
        }
    }
    real_server 10.10.3.21 554 {
        weight 1
        MISC_CHECK {
            misc_path "/etc/keepalived/rtsp.sh 10.10.3.21"
            misc_timeout 4
        }
    }
}
virtual_server group media {
    lvs_sched rr
    lvs_method TUN type gue
    protocol UDP
    quorum 2
    hysteresis 1
    sorry_server 192.0.2.99 554
    alpha
    real_server 10.10.3.20 554 {
        uthreshold 100
        HTTP_GET {
            url {
                path /alive
                status_code 200
                digest 00ff
            }
            connect_port 8080
            retry 2
        }
    }
    real_server 10.10.3.21 554 {
        uthreshold 100
        HTTP_GET {
            url {
                path /alive
                status_code 200
                digest 00ff
            }
            connect_port 8080
            retry 2
        }
    }
}
"#;

#[test]
fn virtual_servers_of_keepalived_come_over() {
    let imported = keepalived::read(KEEPALIVED);
    let [marked, group_marked, four, ..] = &imported.services[..] else { panic!("{imported:?}") };
    assert_eq!((marked.mark, marked.method, marked.persistence), (Some(1), Method::Direct, Some(50)));
    assert_eq!(marked.check.command, ["/etc/keepalived/rtsp.sh", "{address}"]);
    assert_eq!((marked.check.port, marked.check.interval, marked.check.timeout), (Some(554), Some(6), Some(4)));
    assert_eq!((group_marked.mark, group_marked.quorum, group_marked.hysteresis), (Some(3), 2, 1));
    assert_eq!(four.ports, [(Protocol::Udp, 554.into())]);
    assert_eq!(four.addresses.len(), 3);
    assert_eq!((four.method, four.upper_threshold), (Method::Gue, 100));
    assert_eq!((four.check.fall, four.check.codes.as_slice()), (Some(3), &["200".to_owned()][..]));
    let lines: Vec<usize> = whys(&imported).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 35, 42], "{:#?}", whys(&imported));
    toml(&imported);
}

#[test]
fn rules_of_iptables_say_what_a_mark_stands_for() {
    let mut imported = keepalived::read(KEEPALIVED);
    marking::apply(
        &mut imported,
        "iptables -A PREROUTING -t mangle -p tcp -d 10.10.3.30 --dport 554 -j MARK --set-mark 1
-A PREROUTING -d 10.10.3.30/32 -p udp -m udp --dport 6950:7150 -j MARK --set-xmark 0x1/0xffffffff
-A PREROUTING -p udp --dport 53 -j MARK --set-mark 1
",
    );
    let service = &imported.services[0];
    assert_eq!(service.addresses, ["10.10.3.30".parse::<std::net::IpAddr>().unwrap()]);
    let ports: Vec<String> = service.ports.iter().map(|(protocol, range)| format!("{protocol} {range}")).collect();
    assert_eq!(ports, ["tcp 554", "udp 6950-7150"]);
    assert!(whys(&imported).contains(&(3, "it marks packets to any address: expected -d")));
}

/// The example shows what is printed, and its configuration is that with what people add.
#[test]
fn the_example_is_what_is_printed() {
    let source = include_str!("../../../../examples/lvs-dr-heartbeat-ldirectord/ldirectord.cf");
    let printed = include_str!("../../../../examples/lvs-dr-heartbeat-ldirectord/imported.toml");
    let configured = include_str!("../../../../examples/lvs-dr-heartbeat-ldirectord/weir.toml");
    assert_eq!(ldirectord::read(source).to_toml("ldirectord.cf"), printed);
    let configured: toml::Table = configured.parse().unwrap();
    let servers = |table: &toml::Table| table["kernel"]["service"][0]["server"].clone();
    assert_eq!(servers(&toml(&ldirectord::read(source))), servers(&configured));
}

/// A file of lines of which some are right and some are not.
fn ldirectord_text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("virtual = 192.0.2.10:80".to_owned()),
        Just("virtual = 5".to_owned()),
        Just("    real = 10.0.0.1->10.0.0.9:80 masq 3 \"/\", \"x.*\"".to_owned()),
        "( {4})?(real|fallback|checktype|service|request|receive|netmask|quiescent|protocol|nonsense) ?= ?[\"a-z0-9./:>\\-# ]{0,20}",
        "[ \t]{0,4}\\PC{0,30}",
    ];
    proptest::collection::vec(line, 0..20).prop_map(|lines| lines.join("\n"))
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
    proptest::collection::vec(line, 0..20).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn nothing_of_ldirectord_is_lost_in_silence(text in ldirectord_text()) {
        let imported = ldirectord::read(&text);
        toml(&imported);
        for (index, line) in text.lines().enumerate() {
            let says_nothing = line.trim().is_empty() || line.trim().starts_with('#');
            let number = index + 1;
            prop_assert!(says_nothing || imported.accounts_for(number), "line {}: {}", number, line);
        }
    }

    #[test]
    fn nothing_of_keepalived_is_lost_in_silence(text in keepalived_text()) {
        let imported = keepalived::read(&text);
        toml(&imported);
        for (index, line) in text.lines().enumerate() {
            let is_brace = |character: char| "{}".contains(character) || character.is_whitespace();
            let rest = line.trim_start_matches(is_brace);
            let says_nothing = rest.is_empty() || rest.starts_with(['#', '!']) || rest.trim_end_matches(is_brace) == "\"\"";
            let number = index + 1;
            prop_assert!(says_nothing || imported.accounts_for(number), "line {}: {}", number, line);
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}", rules in "\\PC{0,100}") {
        for mut imported in [ldirectord::read(&text), keepalived::read(&text)] {
            marking::apply(&mut imported, &rules);
            toml(&imported);
        }
    }
}
