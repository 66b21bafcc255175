//! RTSP by direct routing with two directors, by the very files of the example.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use weir_tests::kernel::application::{Application, Language};
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::network::Network;
use weir_tests::kernel::pair::{Director, alive};
use weir_tests::kernel::visitor::{Visit, question};
use weir_tests::kernel::{keepalived, weir};
use weir_tests::wait::{self, PATIENCE};

const CONFIGURATION: &str = include_str!("../../examples/keepalived-rtsp/weir.toml");
const FIRST: &str = include_str!("../../examples/keepalived-rtsp/keepalived-first.conf");
const SECOND: &str = include_str!("../../examples/keepalived-rtsp/keepalived-second.conf");
const SERVER_COMMANDS: &str = include_str!("../../examples/keepalived-rtsp/server-commands");

/// What players ask, and what the ingest does.
const PLAYOUT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 10, 3, 30));
const MANAGEMENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 10, 1, 30));
const RTSP: u16 = 554;
const API: u16 = 8090;

/// The first of the ports of media, one of them, and the last.
const MEDIA: [u16; 3] = [6950, 7000, 7150];

/// Connections that are held while the addresses move.
const HELD: usize = 10;

/// A director that stops says so, and the other need not wait for three advertisements; this is a machine that is emulated.
const LONGEST_GAP: Duration = Duration::from_secs(2);

/// The example's hosts. Both players are there, since one of them alone is sent to one server.
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
    /// The last number of its addresses.
    number: u8,
    /// Nothing while it has failed.
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
    // Two services, of two servers each.
    [&first, &second].into_iter().for_each(|director| director.await_servers(4));
    let up = start.elapsed();
    assert_eq!([first.exchange(), second.exchange()], [["master"], ["backup"]]);

    let [one, other] = site.players.each_ref().map(everything);
    assert_ne!(one, other, "the second player has the other server");
    assert!(question(&site.players[0], SocketAddr::new(PLAYOUT, 7151)).is_err(), "port 7151 is none of the service's");
    let api = Visit::start(&site.ingest, SocketAddr::new(MANAGEMENT, API)).expect("a connection");
    assert!(api.server().starts_with("server"));

    let flow = Flow::start(&site.players[0], SocketAddr::new(PLAYOUT, MEDIA[1]), Duration::from_millis(10));
    let open = |number: usize| Visit::rtsp(&site.players[number % 2], SocketAddr::new(PLAYOUT, RTSP));
    let mut held: Vec<Visit> = (0..HELD).map(|number| open(number).expect("a connection")).collect();
    flow.until("the flow is answered", |delivery| delivery.latest().is_some());
    second.await_connections(HELD);

    first.keepalived.terminate();
    second.await_master();
    let stopped = alive(&mut held);
    first.await_backup();
    assert_eq!([first.exchange(), second.exchange()], [["backup"], ["master"]]);
    let gap_of_stop = flow.so_far().longest_gap();
    assert!(gap_of_stop < LONGEST_GAP, "nobody answered for {gap_of_stop:.2?}");
    assert_eq!(stopped, HELD, "connections that live on");

    first.keepalived = keepalived::start(first.host);
    let start = Instant::now();
    first.await_master();
    let back_after = start.elapsed();
    let returned = alive(&mut held);
    second.await_backup();
    let delivery = flow.finish();
    let gap = delivery.longest_gap();
    assert_eq!(returned, HELD, "connections that live on");
    assert_eq!(delivery.servers().servers().collect::<Vec<_>>(), [one.as_str()], "one player, one server");
    assert!(gap < LONGEST_GAP, "nobody answered for {gap:.2?}");
    drop(held);

    let (out, back) = site.servers[0].comes_and_goes(&first);
    format!(
        "both up in {up:.1?}; {one} had one player, {other} the other; keepalived stopped: silent for {gap_of_stop:.2?}, \
         {stopped} of {HELD} connections held; back after {back_after:.1?}: silent for at most {gap:.2?}, {returned} of {HELD} held; \
         {} of {} datagrams lost; a server out in {out:.1?}, back in {back:.1?}",
        delivery.lost(),
        delivery.sent(),
    )
}

/// Asks on every port, and returns who answered on all of them.
fn everything(player: &Host) -> String {
    let server = Visit::rtsp(player, SocketAddr::new(PLAYOUT, RTSP)).expect("a connection").server().to_owned();
    for port in MEDIA {
        let other = question(player, SocketAddr::new(PLAYOUT, port)).expect("an answer");
        assert_eq!(other, server, "one player, one server: port {port}");
    }
    server
}

impl Site {
    fn new() -> Self {
        let [management, players, cluster] = ["management", "players", "cluster"].map(Network::new);
        let directors = [("first", FIRST, 7), ("second", SECOND, 8)].map(|(name, configuration, number)| {
            let host = Host::new(name);
            host.furnish(weir::CONFIGURATION, CONFIGURATION);
            host.furnish(keepalived::CONFIGURATION, configuration);
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
        self.playout = Some(Application::speaking(Language::Rtsp, &self.host, &sockets));
    }

    /// Where it is checked.
    fn address(&self) -> IpAddr {
        Ipv4Addr::new(10, 10, 3, self.number).into()
    }

    /// Its playout ends, and starts again: how long until it is no longer served, and until it is again.
    fn comes_and_goes(&mut self, director: &Director<'_>) -> (Duration, Duration) {
        let is_served = |server: &Self| !director.host.ipvs().weights(server.address()).is_empty();
        assert!(is_served(self), "it is served");
        let start = Instant::now();
        self.playout = None;
        wait::until("a server that fails is taken out", PATIENCE, || !is_served(self));
        let out = start.elapsed();
        let start = Instant::now();
        self.recover();
        wait::until("a server that works again is taken in", PATIENCE, || is_served(self));
        (out, start.elapsed())
    }
}
