//! Tests of imports: the resulting services and notes.

use std::time::Duration;

use weir_checks::check::ProbeKind;

use super::*;
use crate::config::tests::try_parse;
use crate::model::Protocol;
use crate::settings::Method;

/// The output. It must be a valid configuration if it is complete.
pub(super) fn toml(imported: &Imported) -> toml::Table {
    let text = imported.to_toml("a file");
    if imported.is_complete()
        && let Err(error) = try_parse(&text)
    {
        panic!("{error}\n{text}");
    }
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn reasons(imported: &Imported) -> Vec<(usize, &str)> {
    imported.all_notes().map(|note| (note.line, note.reason.as_str())).collect()
}

const TERMINAL_SERVERS: &str = "logfile=\"local0\"
virtual=10.140.20.9:3389
real=10.140.20.11 gate
real=10.140.20.13 gate
real=10.140.20.15->10.140.20.17 gate
scheduler=wlc
";

#[test]
fn a_service_with_endpoints_of_another_one_is_left_out() {
    let imported = ldirectord::read(&TERMINAL_SERVERS.repeat(2));
    assert_eq!(imported.services.len(), 1);
    assert!(
        reasons(&imported).iter().any(|(line, reason)| *line == 8 && reason.contains("in line 2")),
        "{:?}",
        reasons(&imported)
    );
    toml(&imported);
}

#[test]
fn terminal_servers_are_imported() {
    let imported = ldirectord::read(TERMINAL_SERVERS);
    let [service] = &imported.services[..] else { panic!("{imported:?}") };
    assert_eq!((service.name.as_str(), service.scheduler.as_str()), ("10-140-20-9-tcp-3389", "wlc"));
    assert_eq!(service.ports, [(Protocol::Tcp, 3389.into())]);
    assert_eq!(service.servers.len(), 5);
    assert_eq!(service.method, Method::Direct);
    // ldirectord does not mention this.
    assert!(reasons(&imported).iter().any(|(line, reason)| *line == 2 && reason.contains("checks nothing")));
    assert!(reasons(&imported).iter().any(|(line, reason)| *line == 1 && reason.contains("standard error")));
    let table = toml(&imported);
    assert_eq!(table["kernel"]["service"][0]["server"][1]["address"].as_str(), Some("10.140.20.13"));
    assert_eq!(table["kernel"]["service"][0]["tcp"][0].as_str(), Some("3389"));
}

#[test]
fn supported_directives_of_ldirectord_are_imported() {
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
    assert_eq!(reasons(&imported), []);
    assert_eq!(imported.on_exit, Some(OnExit::Keep));
    assert_eq!((web.persistence, web.persistence_prefix), (Some(600), Some(24)));
    assert_eq!(web.servers.iter().map(|server| server.weight).collect::<Vec<_>>(), [300, 100]);
    assert_eq!(web.sorry_server, Some("192.0.2.99".parse().unwrap()));
    let check = &web.check;
    assert_eq!((check.kind, check.port, check.fall), (ProbeKind::Http, Some(8080), Some(4)));
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
fn unsupported_lines_are_noted_with_their_number() {
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
    let lines: Vec<usize> = reasons(&imported).into_iter().map(|(line, _)| line).collect();
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
fn virtual_servers_of_keepalived_are_imported() {
    let imported = keepalived::read(KEEPALIVED);
    let [marked, group_marked, ipv4, ..] = &imported.services[..] else { panic!("{imported:?}") };
    assert_eq!((marked.mark, marked.method, marked.persistence), (Some(1), Method::Direct, Some(50)));
    assert_eq!(marked.check.command, ["/etc/keepalived/rtsp.sh", "{address}"]);
    let timing = (marked.check.interval, marked.check.timeout);
    assert_eq!((marked.check.port, timing), (Some(554), (Some(Duration::from_secs(6)), Some(Duration::from_secs(4)))));
    // The quorum of weight 2 needs both servers; with hysteresis, one is enough once it was reached.
    assert_eq!((group_marked.mark, group_marked.quorum, group_marked.hysteresis), (Some(3), 1, 1));
    assert_eq!(ipv4.ports, [(Protocol::Udp, 554.into())]);
    // No server has an IPv6 address.
    assert_eq!(ipv4.addresses.len(), 2);
    assert_eq!((ipv4.method, ipv4.upper_threshold), (Method::Gue, 100));
    assert_eq!((ipv4.check.fall, ipv4.check.codes.as_slice()), (Some(3), &["200".to_owned()][..]));
    let lines: Vec<usize> = reasons(&imported).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 35, 42, 28], "{:#?}", reasons(&imported));
    toml(&imported);
}

#[test]
fn iptables_rules_add_the_endpoints_of_a_mark() {
    let mut imported = keepalived::read(KEEPALIVED);
    iptables::apply(
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
    assert!(reasons(&imported).contains(&(3, "the rule matches all addresses: expected -d")));
}

/// The example shows the output, and its `weir.toml` is the output with additions.
#[test]
fn the_example_shows_the_output() {
    let source = include_str!("../../../../examples/lvs-dr-heartbeat-ldirectord/ldirectord.cf");
    let printed = include_str!("../../../../examples/lvs-dr-heartbeat-ldirectord/imported.toml");
    let configured = include_str!("../../../../examples/lvs-dr-heartbeat-ldirectord/weir.toml");
    assert_eq!(ldirectord::read(source).to_toml("ldirectord.cf"), printed);
    let configured: toml::Table = configured.parse().unwrap();
    let servers = |table: &toml::Table| table["kernel"]["service"][0]["server"].clone();
    assert_eq!(servers(&toml(&ldirectord::read(source))), servers(&configured));
}

#[test]
fn a_mark_with_different_ports_by_address_becomes_several_services() {
    let mut imported = ldirectord::read("virtual = 1\n    real = 10.0.0.1 gate\n    persistent = 60\n");
    iptables::apply(
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
    assert!(reasons(&imported).iter().any(|(line, reason)| *line == 1 && reason.contains("different ports")));
    toml(&imported);
}

#[test]
fn rules_with_unsupported_conditions_are_noted() {
    for rule in [
        "-A PREROUTING -d 192.0.2.1 -p tcp --dport 80 -m iprange --src-range 10.0.0.1-10.0.0.9 -j MARK --set-mark 1",
        "-A PREROUTING -d 192.0.2.1 -p tcp --sport 80 --dport 80 -j MARK --set-mark 1",
        "-A PREROUTING -d 192.0.2.1 -p tcp --dport 80 -j CONNMARK --set-mark 1",
        "-A PREROUTING -d 192.0.2.1 -p tcp --dport 80 -s 10.0.0.0/8 -j MARK --set-mark 1",
        "iptables -t mangle -D PREROUTING -d 192.0.2.1 -p tcp --dport 80 -j MARK --set-mark 1",
    ] {
        let mut imported = ldirectord::read("virtual = 1\n    real = 10.0.0.1 gate\n");
        iptables::apply(&mut imported, rule);
        assert_eq!(imported.services[0].addresses, [] as [std::net::IpAddr; 0], "{rule}");
        assert!(imported.all_notes().any(|note| note.text.starts_with("rule ")), "{rule}");
    }
}

#[test]
fn a_tcp_check_of_a_udp_service_uses_its_port() {
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
    assert_eq!((check.kind, check.port, check.timeout), (ProbeKind::Tcp, Some(6970), Some(Duration::from_millis(500))));
    assert_eq!(toml(&imported)["kernel"]["service"][0]["check"]["timeout"].as_str(), Some("500ms"));
}

#[test]
fn without_protocol_and_port_a_virtual_server_is_udp_with_all_ports() {
    let imported = keepalived::read("virtual_server 192.0.2.10 {\nreal_server 10.0.0.1 {\nTCP_CHECK {\n}\n}\n}");
    let service = &imported.services[0];
    let ports: Vec<String> = service.ports.iter().map(|(protocol, range)| format!("{protocol} {range}")).collect();
    assert_eq!((ports, service.persistence), (vec!["udp 1-65535".to_owned()], Some(360)));
    // The port to check is not known.
    assert_eq!(service.check.kind, ProbeKind::None);
    for expected in ["keepalived uses UDP", "`port`"] {
        assert!(
            reasons(&imported).iter().any(|(_, reason)| reason.contains(expected)),
            "{expected}: {:?}",
            reasons(&imported)
        );
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
fn check_options_of_a_server_override_those_of_the_virtual_server() {
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
fn the_address_of_a_server_in_a_command_becomes_a_placeholder() {
    let server = |host: u8| {
        format!(
            "real_server 10.0.0.{host} 80 {{\nMISC_CHECK {{\nmisc_path \"/bin/check --at=10.0.0.{host}:80 10.0.0.10\"\n}}\n}}\n"
        )
    };
    let text = format!("virtual_server 192.0.2.10 80 {{\nprotocol TCP\n{}{}}}", server(1), server(2));
    let imported = keepalived::read(&text);
    let check = &imported.services[0].check;
    assert_eq!(check.command, ["/bin/check", "--at={address}:80", "10.0.0.10"]);
    // A program may run until the next check.
    assert_eq!((check.interval, check.timeout), (Some(Duration::from_secs(60)), Some(Duration::from_secs(60))));
    assert_eq!(reasons(&imported), []);
}

#[test]
fn an_unknown_port_of_a_server_is_noted() {
    let imported = keepalived::read(
        "virtual_server 192.0.2.10 80 {
protocol TCP
sorry_server 10.0.0.9 http-alt
real_server 10.0.0.1 nonsense {
}
real_server 10.0.0.2 http {
}
}",
    );
    let notes: Vec<_> = imported.all_notes().filter(|note| note.reason.contains("unknown port")).collect();
    assert_eq!(notes.iter().map(|note| note.line).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn the_port_of_tunnels_is_imported() {
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
    let lines: Vec<usize> = reasons(&imported).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 7]);
    assert_eq!(toml(&imported)["kernel"]["service"][0]["gue_port"].as_integer(), Some(5555));
}

#[test]
fn options_that_weir_always_sets_have_no_note() {
    let text = |flag: &str| {
        format!("virtual_server 192.0.2.10 80 {{\nprotocol TCP\nlb_algo sh\n{flag}\nreal_server 10.0.0.1 80 {{\n}}\n}}")
    };
    for flag in ["sh-fallback", "mh-fallback", "inhibit_on_failure off", "alpha false"] {
        assert_eq!(reasons(&keepalived::read(&text(flag))), [], "{flag}");
    }
    for flag in ["sh-port", "flag-1", "inhibit_on_failure", "alpha", "@main weight 3"] {
        let imported = keepalived::read(&text(flag));
        assert_eq!(imported.all_notes().map(|note| note.line).collect::<Vec<_>>(), [4], "{flag}");
    }
}

#[test]
fn each_family_has_its_own_fallback() {
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
    assert_eq!(reasons(&imported), []);
}

#[test]
fn the_default_method_of_a_fallback_is_gate() {
    let imported =
        ldirectord::read("virtual = 192.0.2.10:80\n    real = 10.0.0.1:80 masq\n    fallback = 10.0.0.9:80\n");
    assert!(reasons(&imported).iter().any(|(line, reason)| *line == 3 && reason.contains("the service's method")));
}

#[test]
fn a_server_at_a_virtual_address_gets_method_local() {
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
    let lines: Vec<usize> = reasons(&imported).into_iter().map(|(line, _)| line).collect();
    assert!(lines.contains(&2) && lines.contains(&1), "{:?}", reasons(&imported));
    assert_eq!(toml(&imported)["kernel"]["service"][0]["server"][0]["method"].as_str(), Some("local"));
}

#[test]
fn a_note_about_quiescent_is_added_once() {
    let text = |own: &str| format!("quiescent = yes\nvirtual = 192.0.2.10:80\n    real = 10.0.0.1 gate\n    {own}\n");
    let lines = |own: &str| ldirectord::read(&text(own)).all_notes().map(|note| note.line).collect::<Vec<_>>();
    assert_eq!(lines("checkcount = 3"), [4, 1]);
    assert_eq!(lines("quiescent = no"), [0_usize; 0]);
    assert_eq!(lines("quiescent = maybe"), [4, 1]);
    assert_eq!(lines("readdquiescent = no"), [4, 1]);
}
