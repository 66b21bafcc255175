//! Terminal servers with two directors, with the files of the example, which were imported from `ldirectord.cf`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use weir_tests::kernel::application::Application;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::connection::Connection;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::network::Network;
use weir_tests::kernel::pair::{Director, check_arrivals, count_alive};
use weir_tests::kernel::tally::Tally;
use weir_tests::kernel::{keepalived, weir};

const LDIRECTORD: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/ldirectord.cf");
const IMPORTED: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/imported.toml");
const CONFIGURATION: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/weir.toml");
const FIRST: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/keepalived-first.conf");
const SECOND: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/keepalived-second.conf");
const SERVER_COMMANDS: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/server-commands.md");

const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 140, 20, 9)), 3389);

/// Last numbers of the servers' addresses.
const SERVERS: [u8; 6] = [11, 13, 15, 17, 19, 21];

/// Number of connections that are open throughout: with least connections, two on each server.
const HELD: usize = 12;

/// How often the addresses move. Before the last time, all servers but one are deleted.
const MOVES: usize = 3;

pub(crate) fn run() -> String {
    let network = Network::new("office");
    let join = |name: &str, number: u8| {
        let host = Host::new(name);
        network.join(&host, "eth0", &[format!("10.140.20.{number}/24")]);
        host
    };
    let client = join("client", 100);
    let directors = [("lvs1", 7, FIRST), ("lvs2", 8, SECOND)].map(|(name, number, configuration)| {
        let host = join(name, number);
        host.install_file(weir::CONFIGURATION, CONFIGURATION);
        host.install_file(keepalived::CONFIGURATION, configuration);
        host
    });
    import(&directors[0]);
    let servers = SERVERS.map(|number| (number, join(&format!("server{number}"), number)));
    let _applications = servers.each_ref().map(|(number, host)| prepare(*number, host));
    let [lvs1, lvs2] = directors.each_ref().map(|host| Director::start(host, SERVICE.ip()));
    let mut lvs1 = lvs1;
    lvs1.await_master();
    lvs2.await_backup();
    [&lvs1, &lvs2].into_iter().for_each(|director| director.await_servers(SERVERS.len()));

    let mut held: Vec<Connection> =
        (0..HELD).map(|_| Connection::open(&client, SERVICE).expect("a connection")).collect();
    let tally: Tally = held.iter().map(Connection::server).collect();
    assert!(
        servers.iter().all(|(_, host)| tally.of(host.name()) == HELD / SERVERS.len()),
        "least connections: {tally}"
    );

    // Weir is killed, and the addresses stay: the kernel keeps forwarding, and the restarted Weir continues as master.
    lvs1.balancer.process.kill();
    assert_eq!(count_alive(&mut held), HELD, "surviving connections without Weir");
    lvs1.balancer = weir::start(lvs1.host);
    lvs1.await_master();
    assert_eq!(lvs1.balancer.metrics().sum("weir_kernel_changes_total", &[]), 0.0, "it takes over the kernel's state");
    assert_eq!([lvs1.sync_roles(), lvs2.sync_roles()], [["master"], ["backup"]]);
    held.push(Connection::open(&client, SERVICE).expect("a connection"));
    lvs2.await_connections(held.len());

    let arrivals = Arrivals::start(&client, SERVICE);
    let start = Instant::now();
    network.disconnect(lvs1.host);
    lvs2.await_master();
    let moved = start.elapsed();
    let survivors = count_alive(&mut held);
    assert_eq!(survivors, held.len(), "surviving connections");
    network.reconnect(lvs1.host);
    let start = Instant::now();
    lvs1.await_master();
    let back = start.elapsed();
    assert_eq!(count_alive(&mut held), held.len(), "surviving connections");

    // All checks of lvs1 fail. Forwarded packets are not affected, since they have the virtual address.
    reject_checks(lvs1.host);
    let start = Instant::now();
    lvs1.await_track_value("-254");
    let fault = start.elapsed();
    lvs2.await_master();
    let handed_over = start.elapsed() - fault;
    assert_eq!(count_alive(&mut held), held.len(), "surviving connections");
    let arrived = arrivals.finish();
    check_arrivals(&arrived, MOVES + SERVERS.len() - 1);
    format!(
        "{tally}; lvs1 died: moved in {moved:.1?}, {survivors} of {} connections survived; back {back:.1?} after it returned; \
         fault after {fault:.1?}, handed over in {handed_over:.1?}; all survived, {} new clients, {} reset, the longest took {:.1?}",
        held.len(),
        arrived.served.total(),
        arrived.failures.len(),
        arrived.longest,
    )
}

/// The output of the import is that of the example, and results in the same services as its edited configuration.
fn import(host: &Host) {
    host.install_file("/etc/weir/ldirectord.cf", LDIRECTORD);
    let imported = host.shell("cd /etc/weir\nweir-balancer import-ldirectord ldirectord.cf | tee imported.toml");
    assert_eq!(imported, IMPORTED);
    let services = |file| {
        let output = host.shell(&format!("weir-balancer --config /etc/weir/{file} --dry-run=ipvsadm"));
        let services = output.lines().filter(|line| line.starts_with("-A ") || line.starts_with("-a "));
        let services: Vec<String> = services.map(str::to_owned).collect();
        assert_eq!(services.len(), 1 + SERVERS.len(), "{output}");
        services
    };
    assert_eq!(services("imported.toml"), services("weir.toml"));
}

/// Sets up a machine as a terminal server, with the example's commands for Linux.
fn prepare(number: u8, host: &Host) -> Application {
    let commands = SERVER_COMMANDS.lines().filter_map(|line| line.strip_prefix("    "));
    let commands: Vec<&str> = commands.filter(|line| line.starts_with("weir-agent")).collect();
    assert!(!commands.is_empty(), "{SERVER_COMMANDS}");
    host.shell(&commands.join("\n"));
    let own = Ipv4Addr::new(10, 140, 20, number).into();
    Application::start(host, &[SERVICE, SocketAddr::new(own, SERVICE.port())])
}

/// Rejects the machine's own connections to servers.
fn reject_checks(host: &Host) {
    let file = host.write(
        "reject.nft",
        "table inet rejected_checks {
            chain output {
                type filter hook output priority filter
                ip daddr 10.140.20.11-10.140.20.21 tcp dport 3389 reject
            }
        }\n",
    );
    host.call(&format!("nft --file {}", file.display()));
}
