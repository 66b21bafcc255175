//! Weir ends, is killed, and comes back with another configuration under traffic: nobody notices.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_kernel::kernel::Kernel;
use weir_kernel::model::{Mark, MarkRange, MarkTable, OwnedMarks};
use weir_kernel::plan::Change;
use weir_tests::kernel::arrivals::Arrivals;
use weir_tests::kernel::flow::Flow;
use weir_tests::kernel::history::History;
use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTP, RTSP, Site, VIRTUAL};
use weir_tests::kernel::visitor::{Visit, visits};
use weir_tests::kernel::weir::Balancer;
use weir_tests::process::{Finished, Process};
use weir_tests::wait::{self, PATIENCE};

/// The mark of the one service.
const MARK: u32 = 0x5700_0000;

/// Connections that are there all the time.
const HELD: usize = 8;

/// How often a weight is changed, to see what that takes.
const WEIGHT_CHANGES: u32 = 200;

/// How often all marks are replaced.
const REPLACEMENTS: u32 = 20;

/// What a change of weight may take.
const WEIGHT_CHANGE: Duration = Duration::from_micros(300);

pub(crate) fn run() -> String {
    let site = Site::new(Method::Nat, 1, 3);
    let director = &site.directors[0];
    site.give_virtual_address(director);
    let mut balancer = start(director, "554", &[100, 100]);
    site.await_weights("both serve", |weights| weights == [Some(100), Some(100), None]);

    let service = SocketAddr::new(VIRTUAL[0], RTSP);
    let flows = [0, 1].map(|_| Flow::start(&site.client, SocketAddr::new(VIRTUAL[0], RTP), Duration::from_millis(10)));
    flows.iter().for_each(|flow| drop(flow.until("the flow is answered", |delivery| delivery.latest().is_some())));
    let mut held: Vec<Visit> = (0..HELD).map(|_| Visit::start(&site.client, service).expect("a connection")).collect();
    let history = History::start(director);

    let mut measured = Vec::new();
    for (way, end) in [("ended", Process::terminate as fn(&mut Process) -> Finished), ("killed", Process::kill)] {
        measured.push(meanwhile(&site, way, || {
            drop(end(&mut balancer.process));
            balancer = Balancer::start(director, &director.folder().join("weir.toml"));
            await_checks(&balancer, 2);
            assert_eq!(balancer.metrics().sum("weir_kernel_changes_total", &[]), 0.0, "it takes over what there is");
        }));
    }
    measured.push(meanwhile(&site, "upgraded", || {
        drop(balancer.process.terminate());
        balancer = start(director, "554-555", &[50, 100, 100]);
        site.await_weights("all three serve", |weights| weights == [Some(50), Some(100), Some(100)]);
    }));
    measured.push(meanwhile(&site, "marks put right", || {
        director.call("nft add chain inet weir other");
        let is_right = || !director.call("nft list table inet weir").contains("other");
        wait::until("the marks are replaced", PATIENCE, is_right);
        assert_eq!(balancer.metrics().sum("weir_kernel_changes_total", &[("cause", "drift")]), 1.0);
    }));
    drop(balancer.process.terminate());
    let (mut weight, mut marks) = Default::default();
    measured.push(meanwhile(&site, "weights changed", || weight = change_weights(director)));
    measured.push(meanwhile(&site, "marks replaced", || marks = replace_marks(director)));

    assert!(visits(&site.client, service, 3 * HELD).of("server3") > 0, "the new server has clients");
    held.iter_mut().for_each(|visit| visit.ask().expect("the connection lives on"));
    let moments = history.finish();
    let is_live = moments.iter().all(|moment| moment.weights.is_live(MARK));
    assert!(is_live, "the kernel has a server at every moment: {moments:?}");
    let mut sent = 0;
    for delivery in flows.map(Flow::finish) {
        assert_eq!((delivery.lost(), delivery.servers().servers().count()), (0, 1), "a flow: {}", delivery.servers());
        sent += delivery.sent();
    }
    assert!(weight <= WEIGHT_CHANGE, "a change of weight takes {weight:.0?}");
    format!(
        "{}; of {sent} datagrams and {HELD} connections that were held none lost; a change of weight takes {weight:.0?}, a \
         replacement of all marks {marks:.0?}",
        measured.join("; ")
    )
}

/// Does something while clients come, and says how it went; none of them fails.
fn meanwhile(site: &Site, what: &str, work: impl FnOnce()) -> String {
    let arrivals = Arrivals::start(&site.client, SocketAddr::new(VIRTUAL[0], RTSP));
    let start = Instant::now();
    work();
    let (took, arrived) = (start.elapsed(), arrivals.finish());
    assert!(arrived.failures.is_empty(), "{what}: {arrived:?}");
    let (count, longest) = (arrived.greeted.total(), arrived.longest);
    format!("{what} in {took:.1?}: {count} connections, the longest {longest:.0?}")
}

/// Starts Weir with these ports of TCP, and servers of these weights.
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

/// Waits until checks have said that so many servers work.
fn await_checks(balancer: &Balancer<'_>, count: u8) {
    wait::until("the checks know", PATIENCE, || {
        balancer.metrics().sum("weir_kernel_server_condition", &[("condition", "unmeasured")]) == f64::from(count)
    });
}

/// What a change of weight takes.
fn change_weights(director: &Host) -> Duration {
    let mut kernel = director.run(|| Kernel::open().expect("IPVS is loaded"));
    let listed = kernel.read(&owned()).expect("it can be read").destinations;
    let (key, listed) = listed.iter().find_map(|(key, servers)| Some((*key, *servers.first()?))).expect("a server");
    let mut destination = listed.destination;
    median(WEIGHT_CHANGES, |number| {
        destination.weight = 50 + number % 2;
        kernel.make(&Change::SetDestination(key, listed.server, destination)).expect("it is there");
    })
}

/// What a replacement of all marks takes.
fn replace_marks(director: &Host) -> Duration {
    let mut kernel = director.run(|| Kernel::open().expect("nf_tables is loaded"));
    let MarkTable::Intact(marks) = kernel.read(&owned()).expect("it can be read").marks else {
        panic!("the marks are not as Weir made them")
    };
    median(REPLACEMENTS, |_| kernel.make(&Change::ReplaceMarks(marks.clone())).expect("they can be replaced"))
}

fn owned() -> OwnedMarks {
    let mark = Mark::new(MARK).expect("not 0");
    OwnedMarks::new(MarkRange::new(mark, mark).expect("a range"), [])
}

/// What it takes as a rule: half of the times are longer, such as when this machine waits for the one that emulates it.
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
