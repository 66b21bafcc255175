//! The kernel keeps what Weir sets over netlink, and `ipvsadm` sets the same from the lines that Weir writes.

use std::collections::BTreeMap;
use std::time::Instant;

use weir_kernel::kernel::Kernel;
use weir_kernel::model::{
    Checksum, Daemon, Destination, Encapsulation, Endpoint, Family, Forwarding, Mark, MarkRange, MarkTable, Marks,
    OwnedMarks, Persistence, Protocol, Role, SchedulerFlags, Server, Service, ServiceEntry, ServiceKey, Table,
    Timeouts,
};
use weir_kernel::plan::{Actual, Change, Desired, plan};
use weir_kernel::text;
use weir_tests::kernel::host::Host;

/// Number of weight changes in the measurement.
const WEIGHT_CHANGES: u32 = 1000;

pub(crate) fn run() -> String {
    let [host, manual] = ["netlink", "manual"].map(Host::new);
    for host in [&host, &manual] {
        host.call("ip link add sync type veth peer name other");
        host.call("ip address add 192.0.2.1/24 dev sync");
        host.call("ip link set sync up");
        host.call("ip link set other up");
    }
    // Services of other programs, with and without a mark, and a sync daemon that Weir takes over.
    host.call("ipvsadm -A -t 203.0.113.1:80 -s rr -p 60");
    host.call("ipvsadm -a -t 203.0.113.1:80 -r 198.51.100.1:8080 -m -w 3");
    host.call("ipvsadm -A -f 7 -s wlc");
    host.call("ipvsadm -a -f 7 -r 198.51.100.1:0 -g");
    host.call("ipvsadm --start-daemon backup --mcast-interface sync --syncid 9");
    let foreign = saved(&host);

    let mut kernel = host.run(|| Kernel::open().expect("IPVS is loaded"));
    let version = kernel.version().expect("a version");
    let mut empty = Desired::empty(owned());
    empty.daemons = Some(BTreeMap::new());
    for desired in [first(), second(), third(), first(), empty] {
        apply(&mut kernel, &desired);
        let lines = saved(&host);
        assert!(foreign.iter().all(|line| lines.contains(line)), "{foreign:#?} are not all in {lines:#?}");

        // `ipvsadm` sets the same.
        manual.call("ipvsadm -C");
        let script = manual.write("services", &text::ipvsadm::script(desired.table()));
        manual.run(|| restore(&script));
        let mut by_netlink: Vec<_> = lines.into_iter().filter(|line| !foreign.contains(line)).collect();
        let mut by_ipvsadm = saved(&manual);
        by_netlink.sort();
        by_ipvsadm.sort();
        assert_eq!(by_netlink, by_ipvsadm);
    }
    assert_eq!(saved(&host), foreign);
    refusals(&mut kernel);
    let took = change_weights(&mut kernel);
    format!("IPVS {version}; five tables set, each as with ipvsadm; a weight change takes {took:.0} µs")
}

/// Applies a desired state, and verifies it.
fn apply(kernel: &mut Kernel, desired: &Desired) {
    for change in changes(kernel, desired) {
        kernel.execute(&change).unwrap_or_else(|error| panic!("{change}: {error}"));
    }
    assert_eq!(changes(kernel, desired), [], "the kernel keeps something else");
    let mut actual = actual(kernel);
    actual.table.retain(|key, _| owned().owns(key));
    assert_eq!(&actual.table, desired.table());
    match actual.marks {
        MarkTable::Intact(marks) => assert_eq!(&marks, desired.packet_marks()),
        MarkTable::Absent => assert!(desired.packet_marks().is_empty()),
        MarkTable::Modified | MarkTable::Inconsistent => panic!("the table is not intact"),
    }
}

fn changes(kernel: &mut Kernel, desired: &Desired) -> Vec<Change> {
    plan(desired, &actual(kernel))
}

fn actual(kernel: &mut Kernel) -> Actual {
    kernel.read(&owned()).expect("kernel state").actual()
}

/// The output of `ipvsadm --save`: a line for each service and each server.
fn saved(host: &Host) -> Vec<String> {
    host.call("ipvsadm -S -n").lines().map(|line| line.trim().to_owned()).collect()
}

fn restore(script: &std::path::Path) {
    let script = std::fs::File::open(script).expect("the script");
    let status = std::process::Command::new("ipvsadm").arg("-R").stdin(script).status().expect("ipvsadm");
    assert!(status.success(), "ipvsadm rejects Weir's lines");
}

/// The kernel refuses to add what it has, and to change what it lacks, with distinct errors.
fn refusals(kernel: &mut Kernel) {
    let key = marked(Family::V4, 0x100);
    let service = Service::new(name("rr"));
    let (server, destination) = (server("10.0.0.1"), Destination::new(Forwarding::DirectRoute, 1));
    let add = Change::AddService(key, service.clone());
    let add_server = Change::AddDestination(key, server, destination);
    let set_server = Change::SetDestination(key, server, destination);
    let unknown = Change::SetService(key, Service::new(name("no-such")));
    let mut expect = |change: &Change, error: Option<&str>| {
        let actual = kernel.execute(change).err().map(|error| error.to_string());
        let is_expected = match (&actual, error) {
            (Some(actual), Some(error)) => actual.contains(error),
            (None, None) => true,
            _ => false,
        };
        assert!(is_expected, "{change}: {actual:?}, not {error:?}");
    };
    expect(&set_server, Some("No such process"));
    expect(&Change::DeleteService(key), Some("No such process"));
    expect(&add, None);
    expect(&add, Some("File exists"));
    expect(&unknown, Some("No such file"));
    expect(&set_server, Some("No such file"));
    expect(&Change::DeleteDestination(key, server), Some("No such file"));
    expect(&add_server, None);
    expect(&add_server, Some("File exists"));
    expect(&Change::StopDaemon(Role::Master), Some("No such process"));
    expect(&Change::DeleteService(key), None);
}

/// Time of a weight change, in microseconds.
fn change_weights(kernel: &mut Kernel) -> f64 {
    apply(kernel, &first());
    let (key, server) = (marked(Family::V4, 0x100), server("10.0.0.1"));
    let start = Instant::now();
    for weight in 1..=WEIGHT_CHANGES {
        let destination = Destination::new(Forwarding::Masquerade, weight);
        kernel.execute(&Change::SetDestination(key, server, destination)).expect("the server exists");
    }
    let took = start.elapsed().as_secs_f64() * 1e6 / f64::from(WEIGHT_CHANGES);
    apply(kernel, &Desired::empty(owned()));
    took
}

/// Windows Media with NAT and persistence, and direct routing with both families.
fn first() -> Desired {
    let windows_media =
        Service { persistence: Some(Persistence { timeout: 600, prefix: 32 }), ..Service::new(name("rr")) };
    let masqueraded = |weight| Destination::new(Forwarding::Masquerade, weight);
    let routed = |weight| Destination {
        upper_threshold: 100,
        lower_threshold: 80,
        ..Destination::new(Forwarding::DirectRoute, weight)
    };
    let table = Table::from([
        service(Family::V4, 0x100, windows_media, [("10.0.0.1", masqueraded(1)), ("10.0.0.2", masqueraded(1))]),
        service(Family::V4, 0x101, Service::new(name("wlc")), [("10.0.0.1", routed(10)), ("10.0.0.2", routed(0))]),
        service(Family::V6, 0x101, Service::new(name("wlc")), [("2001:db8::1", routed(10))]),
    ]);
    let marks = [
        (endpoint("192.0.2.10", Protocol::Tcp, 554), mark(0x100)),
        (endpoint("192.0.2.11", Protocol::Tcp, 554), mark(0x101)),
        (endpoint("2001:db8::10", Protocol::Udp, 554), mark(0x101)),
    ];
    desired(table, marks_of(marks))
}

/// All kinds of tunnels, including one to a server of the other family; all options of services; other weights and
/// methods.
fn second() -> Desired {
    let sticky = Service {
        scheduler_flags: SchedulerFlags([true, true, false]),
        persistence: Some(Persistence { timeout: 300, prefix: 24 }),
        ..Service::new(name("sh"))
    };
    let sticky6 = Service { persistence: Some(Persistence { timeout: 301, prefix: 64 }), ..Service::new(name("wrr")) };
    let one_packet = Service { one_packet: true, ..Service::new(name("wrr")) };
    let gue = |checksum| Encapsulation::Gue { port: 6080, checksum };
    let gre = |checksum| Encapsulation::Gre { checksum };
    let tunnel = |encapsulation| Destination::new(Forwarding::Tunnel(encapsulation), 5);
    let tunnels = [
        ("10.0.0.1", tunnel(Encapsulation::Ipip)),
        ("10.0.0.2", tunnel(gue(Checksum::None))),
        ("10.0.0.3", tunnel(gue(Checksum::Full))),
        ("10.0.0.4", tunnel(gue(Checksum::Remote))),
        ("10.0.0.5", tunnel(gre(Checksum::None))),
        ("10.0.0.6", tunnel(gre(Checksum::Full))),
        ("2001:db8::7", tunnel(Encapsulation::Ipip)),
    ];
    let table = Table::from([
        service(Family::V4, 0x100, sticky, [("10.0.0.1", Destination::new(Forwarding::DirectRoute, 65535))]),
        service(Family::V4, 0x101, one_packet, tunnels),
        service(Family::V6, 0x101, sticky6, [("2001:db8::2", tunnel(gue(Checksum::None)))]),
    ]);
    let marks = [(endpoint("192.0.2.10", Protocol::Tcp, 554), mark(0x101))];
    let mut desired = desired(table, marks_of(marks));
    desired.daemons = Some(BTreeMap::new());
    desired
}

/// Sync daemons and timeouts, a service without servers, and the last mark of Weir's range.
fn third() -> Desired {
    let daemon = |role, sync_id| Daemon {
        role,
        interface: name("sync"),
        sync_id,
        datagram_length: None,
        group: Some([224, 0, 0, 99].into()),
        port: Some(8849),
        ttl: None,
    };
    let daemons = [daemon(Role::Master, 4), daemon(Role::Backup, 5)];
    let table = Table::from([service(Family::V6, 0x1ff, Service::new(name("mh")), [])]);
    let mut desired = desired(table, Marks::default());
    desired.daemons = Some(daemons.map(|daemon| (daemon.role, daemon)).into());
    desired.timeouts = Some(Timeouts { tcp: 1000, tcp_fin: 0, udp: 33 });
    desired
}

fn desired(table: Table, marks: Marks) -> Desired {
    Desired::new(owned(), table, marks).expect("owned services and marks")
}

fn owned() -> OwnedMarks {
    OwnedMarks::new(MarkRange::new(mark(0x100), mark(0x1ff)).expect("a range"), [])
}

fn mark(number: u32) -> Mark {
    Mark::new(number).expect("not 0")
}

fn marks_of<const COUNT: usize>(entries: [(Endpoint, Mark); COUNT]) -> Marks {
    Marks::new(entries).expect("no packet has two marks")
}

fn endpoint(address: &str, protocol: Protocol, port: u16) -> Endpoint {
    Endpoint { address: address.parse().expect("an address"), protocol, ports: port.into() }
}

fn name(name: &str) -> weir_kernel::model::Name {
    name.parse().expect("a name")
}

fn server(address: &str) -> Server {
    Server::at(address.parse().expect("an address"))
}

fn marked(family: Family, number: u32) -> ServiceKey {
    ServiceKey::Marked { family, mark: mark(number) }
}

fn service<const SERVERS: usize>(
    family: Family,
    number: u32,
    service: Service,
    servers: [(&str, Destination); SERVERS],
) -> (ServiceKey, ServiceEntry) {
    let destinations = servers.map(|(address, destination)| (server(address), destination)).into();
    (marked(family, number), ServiceEntry { service, destinations })
}
