//! Terminal servers with two directors, by the very files of the example, which came from `ldirectord.cf`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use weir_tests::kernel::application::Application;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::network::Network;
use weir_tests::kernel::pair::{Director, alive, check_arrivals};
use weir_tests::kernel::tally::Tally;
use weir_tests::kernel::visitor::Visit;
use weir_tests::kernel::{keepalived, weir};

const LDIRECTORD: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/ldirectord.cf");
const IMPORTED: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/imported.toml");
const CONFIGURATION: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/weir.toml");
const FIRST: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/keepalived-first.conf");
const SECOND: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/keepalived-second.conf");
const SERVER_COMMANDS: &str = include_str!("../../examples/lvs-dr-heartbeat-ldirectord/server-commands.md");

const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 140, 20, 9)), 3389);

/// The last numbers of the servers' addresses.
const SERVERS: [u8; 6] = [11, 13, 15, 17, 19, 21];

/// Connections that are held throughout: by least connections, each server has two.
const HELD: usize = 12;

/// How often the addresses move. Before the last time all servers but one are taken out.
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
        host.furnish(weir::CONFIGURATION, CONFIGURATION);
        host.furnish(keepalived::CONFIGURATION, configuration);
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

    let mut held: Vec<Visit> = (0..HELD).map(|_| Visit::start(&client, SERVICE).expect("a connection")).collect();
    let tally: Tally = held.iter().map(Visit::server).collect();
    assert!(
        servers.iter().all(|(_, host)| tally.of(host.name()) == HELD / SERVERS.len()),
        "least connections: {tally}"
    );

    // Weir dies, and nothing moves: the kernel goes on, and so does the next Weir, as the master that it was.
    lvs1.balancer.process.kill();
    assert_eq!(alive(&mut held), HELD, "connections without Weir");
    lvs1.balancer = weir::start(lvs1.host);
    lvs1.await_master();
    assert_eq!(lvs1.balancer.metrics().sum("weir_kernel_changes_total", &[]), 0.0, "it has taken over what there was");
    assert_eq!([lvs1.exchange(), lvs2.exchange()], [["master"], ["backup"]]);
    held.push(Visit::start(&client, SERVICE).expect("a connection"));
    lvs2.await_connections(held.len());

    let arrivals = Arrivals::start(&client, SERVICE);
    let start = Instant::now();
    network.cut(lvs1.host);
    lvs2.await_master();
    let moved = start.elapsed();
    let survivors = alive(&mut held);
    assert_eq!(survivors, held.len(), "connections that live on");
    network.mend(lvs1.host);
    let start = Instant::now();
    lvs1.await_master();
    let back = start.elapsed();
    assert_eq!(alive(&mut held), held.len(), "connections that live on");

    // lvs1 reaches no server any more, as far as it can see: what it forwards has the virtual address.
    deafen(lvs1.host);
    let start = Instant::now();
    lvs1.await_fitness("-254");
    let unfit = start.elapsed();
    lvs2.await_master();
    let handed_over = start.elapsed() - unfit;
    assert_eq!(alive(&mut held), held.len(), "connections that live on");
    let arrived = arrivals.finish();
    check_arrivals(&arrived, MOVES + SERVERS.len() - 1);
    format!(
        "{tally}; lvs1 dead: moved in {moved:.1?}, {survivors} of {} connections held; back {back:.1?} after it returned; \
         unfit after {unfit:.1?}, handed over in {handed_over:.1?}; all held, {} clients meanwhile, {} cut off, the longest {:.1?}",
        held.len(),
        arrived.greeted.total(),
        arrived.failures.len(),
        arrived.longest,
    )
}

/// What was imported is the example's, and tells the kernel the same as what people made of it.
fn import(host: &Host) {
    host.furnish("/etc/weir/ldirectord.cf", LDIRECTORD);
    let imported = host.shell("cd /etc/weir\nweir-balancer import-ldirectord ldirectord.cf | tee imported.toml");
    assert_eq!(imported, IMPORTED);
    let told = |file| {
        let said = host.shell(&format!("weir-balancer --config /etc/weir/{file} --dry-run=ipvsadm"));
        let services = said.lines().filter(|line| line.starts_with("-A ") || line.starts_with("-a "));
        let services: Vec<String> = services.map(str::to_owned).collect();
        assert_eq!(services.len(), 1 + SERVERS.len(), "{said}");
        services
    };
    assert_eq!(told("imported.toml"), told("weir.toml"));
}

/// Makes a terminal server of a machine, by what is written for Linux.
fn prepare(number: u8, host: &Host) -> Application {
    let commands = SERVER_COMMANDS.lines().filter_map(|line| line.strip_prefix("    "));
    let commands: Vec<&str> = commands.filter(|line| line.starts_with("weir-agent")).collect();
    assert!(!commands.is_empty(), "{SERVER_COMMANDS}");
    host.shell(&commands.join("\n"));
    let own = Ipv4Addr::new(10, 140, 20, number).into();
    Application::start(host, &[SERVICE, SocketAddr::new(own, SERVICE.port())])
}

/// Rejects what the machine itself asks servers.
fn deafen(host: &Host) {
    let file = host.write(
        "deaf.nft",
        "table inet deaf {
            chain output {
                type filter hook output priority filter
                ip daddr 10.140.20.11-10.140.20.21 tcp dport 3389 reject
            }
        }\n",
    );
    host.call(&format!("nft --file {}", file.display()));
}
