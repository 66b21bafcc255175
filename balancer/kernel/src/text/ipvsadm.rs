//! Services, servers, timeouts and sync daemons, for `ipvsadm -R`, which reads one command per line.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::{
    Checksum, Daemon, Destination, Encapsulation, Family, Forwarding, Role, Server, Service, ServiceKey, Table,
};
use crate::plan::Change;

/// The line for this change; `None` if it concerns marks.
#[must_use]
pub fn line(change: &Change) -> Option<String> {
    Some(match change {
        Change::AddService(key, service) => format!("-A {}{}", name(key), options_of_service(service, key.family())),
        Change::SetService(key, service) => format!("-E {}{}", name(key), options_of_service(service, key.family())),
        Change::DeleteService(key) => format!("-D {}", name(key)),
        Change::AddDestination(key, server, destination) => with_server("-a", key, server, Some(destination)),
        Change::SetDestination(key, server, destination) => with_server("-e", key, server, Some(destination)),
        Change::DeleteDestination(key, server) => with_server("-d", key, server, None),
        Change::StopDaemon(role) => format!("--stop-daemon {}", name_of_role(*role)),
        Change::StartDaemon(daemon) => start(daemon),
        Change::SetTimeouts(timeouts) => format!("--set {} {} {}", timeouts.tcp, timeouts.tcp_fin, timeouts.udp),
        Change::ReplaceMarks(_) | Change::EditMarks { .. } | Change::RemoveMarks => return None,
    })
}

/// The lines that create a table on an empty kernel.
#[must_use]
pub fn script(table: &Table) -> String {
    let mut script = String::new();
    for (key, service) in table {
        let add = Change::AddService(*key, service.service.clone());
        let servers = service.destinations.iter();
        let servers = servers.map(|(server, destination)| Change::AddDestination(*key, *server, *destination));
        for line in std::iter::once(add).chain(servers).filter_map(|change| line(&change)) {
            script.push_str(&line);
            script.push('\n');
        }
    }
    script
}

fn name(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Marked { family: Family::V4, mark } => format!("-f {mark}"),
        ServiceKey::Marked { family: Family::V6, mark } => format!("-f {mark} -6"),
        ServiceKey::Addressed { protocol, address, port } => {
            let option = match protocol {
                17 => "-u",
                132 => "--sctp-service",
                _ => "-t",
            };
            format!("{option} {}", Server { address: *address, port: *port })
        }
    }
}

fn options_of_service(service: &Service, family: Family) -> String {
    let mut options = format!(" -s {}", service.scheduler);
    let names = ["flag-1", "flag-2", "flag-3"].into_iter().zip(service.scheduler_flags.0);
    let names: Vec<_> = names.filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
    if !names.is_empty() {
        // Writing to a string cannot fail; so below.
        let _ = write!(options, " -b {}", names.join(","));
    }
    if let Some(persistence) = service.persistence {
        let _ = write!(options, " -p {}", persistence.timeout);
        if persistence.prefix < family.bits() {
            let _ = write!(options, " -M {}", netmask(family, persistence.prefix));
        }
    }
    if let Some(engine) = &service.persistence_engine {
        let _ = write!(options, " --pe {engine}");
    }
    if service.one_packet {
        options.push_str(" -o");
    }
    options
}

fn netmask(family: Family, prefix: u8) -> String {
    match family {
        Family::V4 => {
            // A shift by all 32 bits overflows; the mask of prefix 0 is 0.
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0);
            Ipv4Addr::from(mask).to_string()
        }
        Family::V6 => prefix.to_string(),
    }
}

fn with_server(command: &str, key: &ServiceKey, server: &Server, destination: Option<&Destination>) -> String {
    let mut line = format!("{command} {} -r {server}", name(key));
    if let Some(Destination { forwarding, weight, upper_threshold, lower_threshold }) = destination {
        let method = method(*forwarding);
        let _ = write!(line, " {method} -w {weight} -x {upper_threshold} -y {lower_threshold}");
    }
    line
}

/// `ipvsadm` has no option for a server that is the director itself: the kernel recognises it by its address, whatever
/// the method.
fn method(forwarding: Forwarding) -> String {
    let checksum = |checksum| match checksum {
        Checksum::None => "--tun-nocsum",
        Checksum::Full => "--tun-csum",
        Checksum::Remote => "--tun-remcsum",
    };
    match forwarding {
        Forwarding::Masquerade => "-m".to_owned(),
        Forwarding::Tunnel(Encapsulation::Ipip) => "-i".to_owned(),
        Forwarding::Tunnel(Encapsulation::Gue { port, checksum: sum }) => {
            format!("-i --tun-type gue --tun-port {port} {}", checksum(sum))
        }
        Forwarding::Tunnel(Encapsulation::Gre { checksum: sum }) => format!("-i --tun-type gre {}", checksum(sum)),
        Forwarding::Local | Forwarding::DirectRoute | Forwarding::Unknown { .. } => "-g".to_owned(),
    }
}

fn start(daemon: &Daemon) -> String {
    let Daemon { role, interface, sync_id, datagram_length, group, port, ttl } = daemon;
    let role = name_of_role(*role);
    let mut line = format!("--start-daemon {role} --mcast-interface {interface} --syncid {sync_id}");
    let group = group.as_ref().map(IpAddr::to_string);
    let options = [
        ("--sync-maxlen", datagram_length.map(|length| length.to_string())),
        ("--mcast-group", group),
        ("--mcast-port", port.map(|port| port.to_string())),
        ("--mcast-ttl", ttl.map(|ttl| ttl.to_string())),
    ];
    for (option, value) in options {
        if let Some(value) = value {
            let _ = write!(line, " {option} {value}");
        }
    }
    line
}

fn name_of_role(role: Role) -> &'static str {
    match role {
        Role::Master => "master",
        Role::Backup => "backup",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Mark, Persistence, SchedulerFlags, ServiceEntry, Timeouts};

    fn key(family: Family) -> ServiceKey {
        ServiceKey::Marked { family, mark: Mark::new(1).unwrap() }
    }

    #[test]
    fn the_script_for_windows_media_matches_its_documentation() {
        let service = Service {
            persistence: Some(Persistence { timeout: 600, prefix: 32 }),
            ..Service::new("rr".parse().unwrap())
        };
        let servers =
            [1, 2].map(|last| (Server::at([10, 10, 10, last].into()), Destination::new(Forwarding::Masquerade, 1)));
        let service = ServiceEntry { service, destinations: servers.into() };
        let expected = "\
-A -f 1 -s rr -p 600
-a -f 1 -r 10.10.10.1:0 -m -w 1 -x 0 -y 0
-a -f 1 -r 10.10.10.2:0 -m -w 1 -x 0 -y 0
";
        assert_eq!(script(&Table::from([(key(Family::V4), service)])), expected);
    }

    #[test]
    fn all_options_of_services_and_servers_are_written() {
        let service = Service {
            scheduler_flags: SchedulerFlags([true, true, false]),
            one_packet: true,
            persistence: Some(Persistence { timeout: 300, prefix: 64 }),
            persistence_engine: Some("sip".parse().unwrap()),
            ..Service::new("mh".parse().unwrap())
        };
        let set = Change::SetService(key(Family::V6), service.clone());
        assert_eq!(line(&set).unwrap(), "-E -f 1 -6 -s mh -b flag-1,flag-2 -p 300 -M 64 --pe sip -o");
        let service = Service { persistence: Some(Persistence { timeout: 300, prefix: 24 }), ..service };
        let set = Change::SetService(key(Family::V4), service);
        assert!(line(&set).unwrap().contains(" -M 255.255.255.0 "));

        let gue = Forwarding::Tunnel(Encapsulation::Gue { port: 6080, checksum: Checksum::Remote });
        let destination = Destination { upper_threshold: 9, lower_threshold: 7, ..Destination::new(gue, 5) };
        let server = Server::at("2001:db8::1".parse().unwrap());
        let expected = "-f 1 -6 -r [2001:db8::1]:0 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 5 -x 9 -y 7";
        let line_of = |change| line(&change).unwrap();
        let key = key(Family::V6);
        assert_eq!(line_of(Change::AddDestination(key, server, destination)), format!("-a {expected}"));
        assert_eq!(line_of(Change::SetDestination(key, server, destination)), format!("-e {expected}"));
        assert_eq!(line_of(Change::DeleteDestination(key, server)), "-d -f 1 -6 -r [2001:db8::1]:0");
        assert_eq!(line_of(Change::DeleteService(key)), "-D -f 1 -6");
    }

    #[test]
    fn sync_daemons_and_timeouts_are_written() {
        let daemon = Daemon {
            role: Role::Master,
            interface: "eth0".parse().unwrap(),
            sync_id: 7,
            datagram_length: Some(1400),
            group: None,
            port: Some(8848),
            ttl: None,
        };
        let expected = "--start-daemon master --mcast-interface eth0 --syncid 7 --sync-maxlen 1400 --mcast-port 8848";
        assert_eq!(line(&Change::StartDaemon(daemon)).unwrap(), expected);
        assert_eq!(line(&Change::StopDaemon(Role::Backup)).unwrap(), "--stop-daemon backup");
        let timeouts = Timeouts { tcp: 900, tcp_fin: 0, udp: 30 };
        assert_eq!(line(&Change::SetTimeouts(timeouts)).unwrap(), "--set 900 0 30");
        assert_eq!(line(&Change::RemoveMarks), None);
    }
}
