//! RTSP with direct routing and two directors, with the files of the example.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use weir_tests::kernel::application::{Application, Protocol};
use weir_tests::kernel::connection::{Connection, send_datagram};
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::network::Network;
use weir_tests::kernel::pair::{Director, count_alive};
use weir_tests::kernel::{keepalived, weir};
use weir_tests::wait::{self, PATIENCE};

const CONFIGURATION: &str = include_str!("../../examples/keepalived-rtsp/weir.toml");
const FIRST: &str = include_str!("../../examples/keepalived-rtsp/keepalived-first.conf");
const SECOND: &str = include_str!("../../examples/keepalived-rtsp/keepalived-second.conf");
const SERVER_COMMANDS: &str = include_str!("../../examples/keepalived-rtsp/server-commands");

/// Virtual addresses for players and for the ingest.
const PLAYOUT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 10, 3, 30));
const MANAGEMENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 10, 1, 30));
const RTSP: u16 = 554;
const API: u16 = 8090;

/// The first media port, one within the range, and the last.
const MEDIA: [u16; 3] = [6950, 7000, 7150];

/// Number of connections that are open while the addresses move.
const HELD: usize = 10;

/// A stopping keepalived announces it, so the other does not wait for three missed advertisements. With a margin for an
/// emulated machine.
const MAX_GAP: Duration = Duration::from_secs(2);

/// The hosts of the example. With persistence, a single player would only use one server.
#[derive(Debug)]
struct Site {
    players: [Host; 2],
    ingest: Host,
    directors: [Host; 2],
    servers: [Server; 2],
    _networks: [Network; 3],
}

#[derive(Debug)]
struct Server {
    host: Host,
    /// Last number of its addresses.
    number: u8,
    /// `None` while it has failed.
    playout: Option<Application>,
    _others: Application,
}

pub(crate) fn run() -> String {
    let mut site = Site::new();
    let [first, second] = &site.directors;
    let start = Instant::now();
    let mut first = Director::start(first, PLAYOUT);
    first.await_master();
    let second = Director::start(second, PLAYOUT);
    second.await_backup();
    // Two services with two servers each.
    [&first, &second].into_iter().for_each(|director| director.await_servers(4));
    let up = start.elapsed();
    assert_eq!([first.sync_roles(), second.sync_roles()], [["master"], ["backup"]]);

    let [one, other] = site.players.each_ref().map(query_all_ports);
    assert_ne!(one, other, "the second player has the other server");
    assert!(
        send_datagram(&site.players[0], SocketAddr::new(PLAYOUT, 7151)).is_err(),
        "port 7151 is not in the service"
    );
    let api = Connection::open(&site.ingest, SocketAddr::new(MANAGEMENT, API)).expect("a connection");
    assert!(api.server().starts_with("server"));

    let flow = Flow::start(&site.players[0], SocketAddr::new(PLAYOUT, MEDIA[1]), Duration::from_millis(10));
    let open = |number: usize| Connection::rtsp(&site.players[number % 2], SocketAddr::new(PLAYOUT, RTSP));
    let mut held: Vec<Connection> = (0..HELD).map(|number| open(number).expect("a connection")).collect();
    flow.until("the flow gets replies", |delivery| delivery.latest().is_some());
    second.await_connections(HELD);

    first.keepalived.terminate();
    second.await_master();
    let stopped = count_alive(&mut held);
    first.await_backup();
    assert_eq!([first.sync_roles(), second.sync_roles()], [["backup"], ["master"]]);
    let gap_of_stop = flow.so_far().longest_gap();
    assert!(gap_of_stop < MAX_GAP, "no replies for {gap_of_stop:.2?}");
    assert_eq!(stopped, HELD, "surviving connections");

    first.keepalived = keepalived::start(first.host);
    let start = Instant::now();
    first.await_master();
    let back_after = start.elapsed();
    let returned = count_alive(&mut held);
    second.await_backup();
    let delivery = flow.finish();
    let gap = delivery.longest_gap();
    assert_eq!(returned, HELD, "surviving connections");
    assert_eq!(delivery.servers().servers().collect::<Vec<_>>(), [one.as_str()], "a player keeps its server");
    assert!(gap < MAX_GAP, "no replies for {gap:.2?}");
    drop(held);

    let (deleted, added) = site.servers[0].fail_and_recover(&first);
    format!(
        "both up in {up:.1?}; {one} had one player, {other} the other; keepalived stopped: no replies for {gap_of_stop:.2?}, \
         {stopped} of {HELD} connections survived; back after {back_after:.1?}: no replies for at most {gap:.2?}, {returned} of \
         {HELD} survived; {} of {} datagrams lost; a failed server deleted in {deleted:.1?}, added again in {added:.1?}",
        delivery.lost(),
        delivery.sent(),
    )
}

/// Queries all ports, and returns the server that replied on all of them.
fn query_all_ports(player: &Host) -> String {
    let server = Connection::rtsp(player, SocketAddr::new(PLAYOUT, RTSP)).expect("a connection").server().to_owned();
    for port in MEDIA {
        let other = send_datagram(player, SocketAddr::new(PLAYOUT, port)).expect("a reply");
        assert_eq!(other, server, "a player has one server: port {port}");
    }
    server
}

impl Site {
    fn new() -> Self {
        let [management, players, cluster] = ["management", "players", "cluster"].map(Network::new);
        let directors = [("first", FIRST, 7), ("second", SECOND, 8)].map(|(name, configuration, number)| {
            let host = Host::new(name);
            host.install_file(weir::CONFIGURATION, CONFIGURATION);
            host.install_file(keepalived::CONFIGURATION, configuration);
            management.join(&host, "bond0.101", &[format!("10.10.1.{number}/24")]);
            players.join(&host, "bond0.103", &[format!("10.10.3.{number}/24")]);
            cluster.join(&host, "bond0.105", &[format!("10.10.5.{number}/24")]);
            host
        });
        let servers = [20, 21].map(|number| Server::new(number, &management, &players));
        let client = |name: &str, network: &Network, address: &str| {
            let host = Host::new(name);
            network.join(&host, "eth0", &[address.to_owned()]);
            host
        };
        let ingest = client("ingest", &management, "10.10.1.100/24");
        let clients =
            [("player1", "10.10.3.101/24"), ("player2", "10.10.3.102/24")].map(|(name, at)| client(name, &players, at));
        Self { players: clients, ingest, directors, servers, _networks: [management, players, cluster] }
    }
}

impl Server {
    fn new(number: u8, management: &Network, players: &Network) -> Self {
        let host = Host::new(&format!("server{number}"));
        management.join(&host, "eth1", &[format!("10.10.1.{number}/24")]);
        players.join(&host, "eth2", &[format!("10.10.3.{number}/24")]);
        host.shell(SERVER_COMMANDS);
        let mut sockets: Vec<_> = MEDIA.map(|port| SocketAddr::new(PLAYOUT, port)).into();
        let own = Ipv4Addr::new(10, 10, 1, number).into();
        sockets.extend([MANAGEMENT, own].map(|address| SocketAddr::new(address, API)));
        let others = Application::start(&host, &sockets);
        let mut server = Self { host, number, playout: None, _others: others };
        server.recover();
        server
    }

    fn recover(&mut self) {
        let sockets = [PLAYOUT, self.address()].map(|address| SocketAddr::new(address, RTSP));
        self.playout = Some(Application::with_protocol(Protocol::Rtsp, &self.host, &sockets));
    }

    /// The address that is checked.
    fn address(&self) -> IpAddr {
        Ipv4Addr::new(10, 10, 3, self.number).into()
    }

    /// Makes its playout fail and recover. Returns the times until it is deleted, and until it is added again.
    fn fail_and_recover(&mut self, director: &Director<'_>) -> (Duration, Duration) {
        let is_present = |server: &Self| !director.host.ipvs().weights(server.address()).is_empty();
        assert!(is_present(self), "the server is present");
        let start = Instant::now();
        self.playout = None;
        wait::until("a failed server is deleted", PATIENCE, || !is_present(self));
        let deleted = start.elapsed();
        let start = Instant::now();
        self.recover();
        wait::until("a recovered server is added", PATIENCE, || is_present(self));
        (deleted, start.elapsed())
    }
}
