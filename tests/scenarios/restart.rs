//! Weir stops, is killed, and restarts with another configuration under load. No client notices.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_kernel::kernel::Kernel;
use weir_kernel::model::{Mark, MarkRange, MarkTable, OwnedMarks};
use weir_kernel::plan::Change;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::connection::{Connection, open_connections};
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::History;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Site, VIRTUAL};
use weir_tests::kernel::weir::Balancer;
use weir_tests::process::{Finished, Process};
use weir_tests::wait::{self, PATIENCE};

/// Mark of the service.
const MARK: u32 = 0x5700_0000;

/// Number of connections that are open throughout.
const HELD: usize = 8;

/// Number of weight changes in the measurement.
const WEIGHT_CHANGES: u32 = 200;

/// Number of mark replacements in the measurement.
const REPLACEMENTS: u32 = 20;

/// Maximum time of a weight change.
const MAX_WEIGHT_CHANGE: Duration = Duration::from_micros(300);

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 3);
    let director = &site.directors[0];
    site.add_virtual_address(director);
    let mut balancer = start(director, "554", &[100, 100]);
    site.await_weights("both servers have weight", |weights| weights == [Some(100), Some(100), None]);

    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let flows = [0, 1].map(|_| Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(10)));
    flows.iter().for_each(|flow| drop(flow.until("the flow gets replies", |delivery| delivery.latest().is_some())));
    let mut held: Vec<Connection> =
        (0..HELD).map(|_| Connection::open(&site.client, service).expect("a connection")).collect();
    let history = History::start(director);

    let mut measured = Vec::new();
    for (how, end) in [("stopped", Process::terminate as fn(&mut Process) -> Finished), ("killed", Process::kill)] {
        measured.push(under_load(&site, how, || {
            drop(end(&mut balancer.process));
            balancer = Balancer::start(director, &director.folder().join("weir.toml"));
            await_checks(&balancer, 2);
            assert_eq!(
                balancer.metrics().sum("weir_kernel_changes_total", &[]),
                0.0,
                "it takes over the kernel's state"
            );
        }));
    }
    measured.push(under_load(&site, "upgraded", || {
        drop(balancer.process.terminate());
        balancer = start(director, "554-555", &[50, 100, 100]);
        site.await_weights("all three servers have weight", |weights| weights == [Some(50), Some(100), Some(100)]);
    }));
    measured.push(under_load(&site, "marks repaired", || {
        director.call("nft add chain inet weir other");
        let is_repaired = || !director.call("nft list table inet weir").contains("other");
        wait::until("the marks are replaced", PATIENCE, is_repaired);
        assert_eq!(balancer.metrics().sum("weir_kernel_changes_total", &[("cause", "drift")]), 1.0);
    }));
    drop(balancer.process.terminate());
    let (mut weight, mut marks) = Default::default();
    measured.push(under_load(&site, "weights changed", || weight = change_weights(director)));
    measured.push(under_load(&site, "marks replaced", || marks = replace_marks(director)));

    assert!(open_connections(&site.client, service, 3 * HELD).of("server3") > 0, "the new server has clients");
    held.iter_mut().for_each(|connection| connection.exchange().expect("the connection survives"));
    let moments = history.finish();
    let is_live = moments.iter().all(|moment| moment.weights.is_live(MARK));
    assert!(is_live, "there is always a live server: {moments:?}");
    let mut sent = 0;
    for delivery in flows.map(Flow::finish) {
        assert_eq!((delivery.lost(), delivery.servers().servers().count()), (0, 1), "a flow: {}", delivery.servers());
        sent += delivery.sent();
    }
    assert!(weight <= MAX_WEIGHT_CHANGE, "a weight change takes {weight:.0?}");
    format!(
        "{}; none of {sent} datagrams and {HELD} open connections lost; a weight change takes {weight:.0?}, a replacement of all \
         marks {marks:.0?}",
        measured.join("; ")
    )
}

/// Runs `work` while clients arrive, none of which may fail. Returns the measurements.
fn under_load(site: &Site, description: &str, work: impl FnOnce()) -> String {
    let arrivals = Arrivals::start(&site.client, SocketAddr::new(VIRTUAL[0], RTSP));
    let start = Instant::now();
    work();
    let (took, arrived) = (start.elapsed(), arrivals.finish());
    assert!(arrived.failures.is_empty(), "{description}: {arrived:?}");
    let (count, longest) = (arrived.served.total(), arrived.longest);
    format!("{description} in {took:.1?}: {count} connections, the longest took {longest:.0?}")
}

/// Starts Weir with these TCP ports, and servers with these weights.
fn start<'a>(director: &'a Host, tcp: &str, weights: &[u32]) -> Balancer<'a> {
    let server = |(last, weight): (u8, &u32)| {
        format!("[[kernel.service.server]]\naddress = \"198.51.100.{last}\"\nweight = {weight}\n")
    };
    let servers: String = (21..).zip(weights).map(server).collect();
    let configuration = format!(
        "[kernel]\nonly = true\ninterval = \"500ms\"\n[[kernel.service]]\nname = \"media\"\naddresses = [\"{}\"]\n\
         tcp = [\"{tcp}\"]\nudp = [\"{RTP}\"]\nmark = {MARK}\nscheduler = \"wrr\"\nmethod = \"nat\"\n{servers}\
         [kernel.service.check]\nkind = \"tcp\"\ninterval = \"500ms\"\n",
        VIRTUAL[0]
    );
    Balancer::start(director, &director.write("weir.toml", &configuration))
}

/// Waits until checks have found this number of servers up.
fn await_checks(balancer: &Balancer<'_>, count: u8) {
    wait::until("the checks have verdicts", PATIENCE, || {
        balancer.metrics().sum("weir_kernel_server_condition", &[("condition", "unmeasured")]) == f64::from(count)
    });
}

/// Time of a weight change.
fn change_weights(director: &Host) -> Duration {
    let mut kernel = director.run(|| Kernel::open().expect("IPVS is loaded"));
    let listed = kernel.read(&owned()).expect("kernel state").destinations;
    let (key, listed) = listed.iter().find_map(|(key, servers)| Some((*key, *servers.first()?))).expect("a server");
    let mut destination = listed.destination;
    median(WEIGHT_CHANGES, |number| {
        destination.weight = 50 + number % 2;
        kernel.execute(&Change::SetDestination(key, listed.server, destination)).expect("the server exists");
    })
}

/// Time of a replacement of all marks.
fn replace_marks(director: &Host) -> Duration {
    let mut kernel = director.run(|| Kernel::open().expect("nf_tables is loaded"));
    let MarkTable::Intact(marks) = kernel.read(&owned()).expect("kernel state").marks else {
        panic!("the table of marks is not intact")
    };
    median(REPLACEMENTS, |_| kernel.execute(&Change::ReplaceMarks(marks.clone())).expect("a replacement"))
}

fn owned() -> OwnedMarks {
    let mark = Mark::new(MARK).expect("not 0");
    OwnedMarks::new(MarkRange::new(mark, mark).expect("a range"), [])
}

/// Median time of `work`. Some times are longer, for example when the guest waits for its host.
fn median(times: u32, mut work: impl FnMut(u32)) -> Duration {
    let mut took: Vec<Duration> = (0..times)
        .map(|number| {
            let start = Instant::now();
            work(number);
            start.elapsed()
        })
        .collect();
    took.sort();
    took[took.len() / 2]
}
