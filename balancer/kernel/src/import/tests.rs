//! What people would notice of imports: the services that there are afterwards, and that nothing got lost in silence.

use std::time::Duration;

use weir_checks::check::Kind;

use super::*;
use crate::config::tests::try_parse;
use crate::model::Protocol;
use crate::settings::Method;

/// What is printed: a configuration, but for what a comment asks people to fill in.
pub(super) fn toml(imported: &Imported) -> toml::Table {
    let text = imported.to_toml("a file");
    if imported.is_whole()
        && let Err(error) = try_parse(&text)
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
fallback = 192.0.2.98:80
virtual = 192.0.2.10:80
    fallback = 192.0.2.99:80 masq
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
    assert_eq!(check.codes, ["200-299"]);
    assert_eq!((check.interval, check.timeout), (Some(Duration::from_secs(7)), Some(Duration::from_secs(9))));
    assert_eq!((marked.mark, marked.method, marked.servers[0].method), (Some(7), Method::Direct, Method::Ipip));
    assert_eq!(marked.check.command, ["/usr/lib/check", "--fast", "7", "0", "{address}", "{port}"]);
    assert_eq!(marked.check.timeout, Some(Duration::from_secs(3)));
    assert_eq!(marked.sorry_server, Some("192.0.2.98".parse().unwrap()));
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
    let pace = (marked.check.interval, marked.check.timeout);
    assert_eq!((marked.check.port, pace), (Some(554), (Some(Duration::from_secs(6)), Some(Duration::from_secs(4)))));
    // Of weight 1 two are enough, or one once they were there.
    assert_eq!((group_marked.mark, group_marked.quorum, group_marked.hysteresis), (Some(3), 1, 1));
    assert_eq!(four.ports, [(Protocol::Udp, 554.into())]);
    // The IPv6 one has no server.
    assert_eq!(four.addresses.len(), 2);
    assert_eq!((four.method, four.upper_threshold), (Method::Gue, 100));
    assert_eq!((four.check.fall, four.check.codes.as_slice()), (Some(3), &["200".to_owned()][..]));
    let lines: Vec<usize> = whys(&imported).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 35, 42, 28], "{:#?}", whys(&imported));
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

#[test]
fn a_mark_that_meant_other_ports_of_other_addresses_becomes_several_services() {
    let mut imported = ldirectord::read("virtual = 1\n    real = 10.0.0.1 gate\n    persistent = 60\n");
    marking::apply(
        &mut imported,
        "-A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x1/0xffffffff
-A PREROUTING -d 192.0.2.2/32 -p tcp -m tcp --dport 443 -j MARK --set-xmark 0x1/0xffffffff
-A PREROUTING -d 192.0.2.3/32 -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x1/0xffffffff
",
    );
    let described: Vec<_> = imported
        .services
        .iter()
        .map(|service| (service.name.as_str(), service.mark, service.addresses.len(), service.ports.clone()))
        .collect();
    let port = |port: u16| vec![(Protocol::Tcp, port.into())];
    assert_eq!(described, [("mark-1", Some(1), 2, port(80)), ("mark-1-2", None, 1, port(443))]);
    assert!(whys(&imported).iter().any(|(line, why)| *line == 1 && why.contains("different ports")));
    toml(&imported);
}

#[test]
fn a_rule_with_a_condition_that_a_service_cannot_have_marks_nothing() {
    for rule in [
        "-A PREROUTING -d 192.0.2.1 -p tcp --dport 80 -m iprange --src-range 10.0.0.1-10.0.0.9 -j MARK --set-mark 1",
        "-A PREROUTING -d 192.0.2.1 -p tcp --sport 80 --dport 80 -j MARK --set-mark 1",
        "-A PREROUTING -d 192.0.2.1 -p tcp --dport 80 -j CONNMARK --set-mark 1",
        "-A PREROUTING -d 192.0.2.1 -p tcp --dport 80 -s 10.0.0.0/8 -j MARK --set-mark 1",
        "iptables -t mangle -D PREROUTING -d 192.0.2.1 -p tcp --dport 80 -j MARK --set-mark 1",
    ] {
        let mut imported = ldirectord::read("virtual = 1\n    real = 10.0.0.1 gate\n");
        marking::apply(&mut imported, rule);
        assert_eq!(imported.services[0].addresses, [] as [std::net::IpAddr; 0], "{rule}");
        assert!(imported.all_notes().any(|note| note.what.starts_with("rule ")), "{rule}");
    }
}

#[test]
fn a_check_over_tcp_asks_a_service_of_udp_at_its_port() {
    let imported = keepalived::read(
        "virtual_server 192.0.2.10 6970 {
protocol UDP
real_server 10.0.0.1 6970 {
TCP_CHECK {
connect_timeout 0.5
}
}
}",
    );
    let check = &imported.services[0].check;
    assert_eq!((check.kind, check.port, check.timeout), (Kind::Tcp, Some(6970), Some(Duration::from_millis(500))));
    assert_eq!(toml(&imported)["kernel"]["service"][0]["check"]["timeout"].as_str(), Some("500ms"));
}

#[test]
fn without_a_protocol_keepalived_means_udp_and_without_a_port_every_port() {
    let imported = keepalived::read("virtual_server 192.0.2.10 {\nreal_server 10.0.0.1 {\nTCP_CHECK {\n}\n}\n}");
    let service = &imported.services[0];
    let ports: Vec<String> = service.ports.iter().map(|(protocol, range)| format!("{protocol} {range}")).collect();
    assert_eq!((ports, service.persistence), (vec!["udp 1-65535".to_owned()], Some(360)));
    // Nothing says at which port servers are checked.
    assert_eq!(service.check.kind, Kind::None);
    for expected in ["takes for UDP", "`port`"] {
        assert!(whys(&imported).iter().any(|(_, why)| why.contains(expected)), "{expected}: {:?}", whys(&imported));
    }
    toml(&imported);
}

#[test]
fn a_virtual_server_of_another_protocol_is_left_out() {
    let imported = keepalived::read("virtual_server 192.0.2.10 80 {\nprotocol SCTP\nreal_server 10.0.0.1 80 {\n}\n}");
    assert_eq!(imported.services, []);
    assert!(imported.all_notes().any(|note| (note.line, note.last) == (1, 3)), "{imported:?}");
}

#[test]
fn what_a_server_says_for_its_check_wins_over_what_is_said_for_all() {
    let imported = keepalived::read(
        "virtual_server 192.0.2.10 80 {
protocol TCP
delay_loop 6
retry 7
virtualhost all.example.com
real_server 10.0.0.1 80 {
delay_loop 2
virtualhost one.example.com
HTTP_GET {
url {
path /
}
}
}
}",
    );
    let check = &imported.services[0].check;
    assert_eq!((check.interval, check.fall), (Some(Duration::from_secs(2)), Some(8)));
    assert_eq!((check.host.as_deref(), check.codes.as_slice()), (Some("one.example.com"), &["200-299".to_owned()][..]));
}

#[test]
fn a_program_is_given_each_server_s_own_address_and_its_time() {
    let server = |host: u8| {
        format!(
            "real_server 10.0.0.{host} 80 {{\nMISC_CHECK {{\nmisc_path \"/bin/ask --at=10.0.0.{host}:80 10.0.0.10\"\n}}\n}}\n"
        )
    };
    let text = format!("virtual_server 192.0.2.10 80 {{\nprotocol TCP\n{}{}}}", server(1), server(2));
    let imported = keepalived::read(&text);
    let check = &imported.services[0].check;
    assert_eq!(check.command, ["/bin/ask", "--at={address}:80", "10.0.0.10"]);
    // Until the next check is due.
    assert_eq!((check.interval, check.timeout), (Some(Duration::from_secs(60)), Some(Duration::from_secs(60))));
    assert_eq!(whys(&imported), []);
}

#[test]
fn tunnels_keep_their_port() {
    let text = "virtual_server 192.0.2.10 80 {
protocol TCP
lvs_method TUN type gue port 5555 csum
real_server 10.0.0.1 80 {
}
real_server 10.0.0.2 80 {
lvs_method TUN type gue port 6666
}
}";
    let imported = keepalived::read(text);
    assert_eq!((imported.services[0].method, imported.services[0].gue_port), (Method::Gue, Some(5555)));
    let lines: Vec<usize> = whys(&imported).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 7]);
    assert_eq!(toml(&imported)["kernel"]["service"][0]["gue_port"].as_integer(), Some(5555));
}

#[test]
fn flags_that_weir_sets_anyhow_are_no_loss() {
    let text = |flag: &str| {
        format!("virtual_server 192.0.2.10 80 {{\nprotocol TCP\nlb_algo sh\n{flag}\nreal_server 10.0.0.1 80 {{\n}}\n}}")
    };
    for flag in ["sh-fallback", "mh-fallback", "inhibit_on_failure off", "alpha false"] {
        assert_eq!(whys(&keepalived::read(&text(flag))), [], "{flag}");
    }
    for flag in ["sh-port", "flag-1", "inhibit_on_failure", "alpha", "@main weight 3"] {
        let imported = keepalived::read(&text(flag));
        assert_eq!(imported.all_notes().map(|note| note.line).collect::<Vec<_>>(), [4], "{flag}");
    }
}

#[test]
fn each_family_has_a_fallback_of_its_own() {
    let imported = ldirectord::read(
        "fallback = 192.0.2.98:80 gate
fallback6 = [2001:db8::98]:80 gate
virtual = 192.0.2.10:80
    real = 10.0.0.1 gate
virtual6 = [2001:db8::10]:80
    real6 = [2001:db8::1] gate
",
    );
    let sorry: Vec<_> = imported.services.iter().filter_map(|service| service.sorry_server).collect();
    assert_eq!(sorry.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.98", "2001:db8::98"]);
    assert_eq!(whys(&imported), []);
}

#[test]
fn a_fallback_is_reached_directly_unless_it_says_otherwise() {
    let imported =
        ldirectord::read("virtual = 192.0.2.10:80\n    real = 10.0.0.1:80 masq\n    fallback = 10.0.0.9:80\n");
    assert!(whys(&imported).iter().any(|(line, why)| *line == 3 && why.contains("the service's method")));
}

#[test]
fn a_server_at_a_virtual_address_is_the_director() {
    let imported = ldirectord::read(
        "virtual = 192.0.2.10:80
    real = 192.0.2.11:80 gate
    real = 10.0.0.1:80 gate
    fallback = 192.0.2.10:80
virtual = 192.0.2.11:81
    real = 10.0.0.1:81 gate
",
    );
    assert_eq!(imported.services[0].servers[0].method, Method::Local);
    assert_eq!(imported.services[0].sorry_server, None);
    let lines: Vec<usize> = whys(&imported).into_iter().map(|(line, _)| line).collect();
    assert!(lines.contains(&2) && lines.contains(&1), "{:?}", whys(&imported));
    assert_eq!(toml(&imported)["kernel"]["service"][0]["server"][0]["method"].as_str(), Some("local"));
}

#[test]
fn what_was_said_of_failed_servers_is_said_once() {
    let text = |own: &str| format!("quiescent = yes\nvirtual = 192.0.2.10:80\n    real = 10.0.0.1 gate\n    {own}\n");
    let lines = |own: &str| ldirectord::read(&text(own)).all_notes().map(|note| note.line).collect::<Vec<_>>();
    assert_eq!(lines("checkcount = 3"), [4, 1]);
    assert_eq!(lines("quiescent = no"), [0_usize; 0]);
    assert_eq!(lines("quiescent = maybe"), [4, 1]);
    assert_eq!(lines("readdquiescent = no"), [4, 1]);
}
