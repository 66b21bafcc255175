//! Forged, damaged and repeated reports are refused, counted by reason, and change nothing.

use std::io::ErrorKind;
use std::net::UdpSocket;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::ask;
use weir_tests::server_info::ServerInfo;
use weir_tests::udp_proxy::UdpProxy;
use weir_tests::wait::{PATIENCE, eventually};

/// Bytes of the header: magic, version, kind, zero, key id, edge id, boot salt, counter.
const HEADER: usize = 4 + 1 + 1 + 2 + 4 + 16 + 16 + 8;
/// The tag of AES-GCM, then the HMAC, end a datagram.
const TAG: usize = 16;
const HMAC: usize = 32;

/// An agent whose reports pass a proxy on their way to the balancer, and another one that is left alone.
struct Stage {
    balancer: Balancer,
    proxy: UdpProxy,
    agent: Agent,
    _other: Agent,
}

impl Stage {
    fn set() -> Self {
        let balancer = Balancer::start();
        let proxy = UdpProxy::before(balancer.reports);
        let agent = AgentBuilder::to(proxy.address, &balancer.key_file()).load(3).start();
        let other = AgentBuilder::of(&balancer).load(30).start();
        balancer.await_running(2);
        Self { balancer, proxy, agent, _other: other }
    }

    fn rejected(&self, reason: &str) -> f64 {
        self.balancer.metrics().sum("weir_reports_rejected_total", &[("reason", reason)])
    }

    /// Sends a datagram and waits until it is counted as refused for this reason, and no other.
    #[track_caller]
    fn assert_refused(&self, datagram: &[u8], reason: &str) {
        let total = || self.balancer.metrics().sum("weir_reports_rejected_total", &[]);
        let (before, total_before) = (self.rejected(reason), total());
        let fleet_before: Vec<_> = self.balancer.server_info().iter().map(ServerInfo::standing).collect();
        self.proxy.inject(datagram);
        eventually(&format!("a report is refused: {reason}"), PATIENCE, || {
            let now = self.rejected(reason);
            if now == before + 1.0 { Ok(()) } else { Err(self.all_rejected()) }
        });
        assert_eq!(total(), total_before + 1.0, "{}", self.all_rejected());
        let fleet: Vec<_> = self.balancer.server_info().iter().map(ServerInfo::standing).collect();
        assert_eq!(fleet, fleet_before, "the fleet is unchanged");
    }

    fn all_rejected(&self) -> String {
        let page = weir_tests::http::get(self.balancer.admin, "/metrics").expect("the metrics").body;
        page.lines().filter(|line| line.starts_with("weir_reports")).map(|line| format!("{line}\n")).collect()
    }
}

fn flipped(datagram: &[u8], byte: usize) -> Vec<u8> {
    let mut datagram = datagram.to_owned();
    datagram[byte] ^= 1;
    datagram
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let stage = Stage::set();
    let report = stage.proxy.next_report();
    let end = report.len();
    assert!(end > HEADER + TAG + HMAC, "{end} bytes");
    let positions = [
        ("magic", 0, "magic"),
        ("version", 4, "version"),
        ("kind", 5, "kind"),
        ("key id", 8, "key-id"),
        ("edge id", 12, "signature"),
        ("boot salt", 28, "signature"),
        ("counter", 44 + 7, "signature"),
        ("ciphertext", HEADER, "signature"),
        ("tag", end - HMAC - TAG, "signature"),
        ("HMAC", end - HMAC, "signature"),
        ("last byte", end - 1, "signature"),
    ];
    for (_field, byte, reason) in positions {
        stage.assert_refused(&flipped(&report, byte), reason);
    }
    assert_eq!(ask(&stage.balancer), stage.agent.address.to_string());
}

#[test]
fn a_truncated_or_overlong_datagram_is_refused() {
    let stage = Stage::set();
    let report = stage.proxy.next_report();
    stage.assert_refused(&report[..HEADER], "length");
    stage.assert_refused(&report[..4], "length");
    stage.assert_refused(b"", "length");
    stage.assert_refused(&report[..report.len() - 1], "signature");
    let mut overlong = report.clone();
    overlong.resize(1201, 0);
    stage.assert_refused(&overlong, "length");
}

#[test]
fn a_replayed_report_is_refused() {
    let stage = Stage::set();
    let report = stage.proxy.next_report();
    stage.assert_refused(&report, "counter");
    stage.assert_refused(&stage.proxy.recorded()[0], "counter");
}

#[test]
fn replayed_reports_keep_no_dead_edge_alive() {
    let mut stage = Stage::set();
    let _last = stage.proxy.next_report();
    stage.agent.kill();
    let recorded = stage.proxy.recorded();
    let dead = stage.agent.address.to_string();
    stage.balancer.await_fleet("the dead edge has timed out", |fleet| {
        // As fast as the fleet is looked at, which is far more often than a report was ever due.
        recorded.iter().for_each(|report| stage.proxy.inject(report));
        fleet.iter().any(|edge| edge.redirect == dead && edge.status == "MSGTIMEOUT")
    });
    assert_ne!(ask(&stage.balancer), dead);
}

#[test]
fn replayed_reports_of_an_earlier_start_are_refused() {
    let mut stage = Stage::set();
    let earlier = stage.proxy.next_report();
    let _ = stage.agent.terminate().expect_success();
    // Not even a stopped edge is brought back by what it said when it ran.
    stage.assert_refused(&earlier, "counter");
    stage.agent.restart();
    let _first = stage.proxy.next_report();
    stage.balancer.await_running(2);
    // So young a recording could as well come from a copy of the installation.
    stage.assert_refused(&earlier, "duplicate");
}

#[test]
fn a_wrong_key_is_refused() {
    let stage = Stage::set();
    let elsewhere = Balancer::start();
    let before = stage.rejected("key-id");
    let stranger = AgentBuilder::to(stage.balancer.reports, &elsewhere.key_file()).start();
    eventually("its reports are refused", PATIENCE, || {
        let refused = stage.rejected("key-id") - before;
        if refused >= 2.0 { Ok(()) } else { Err(stage.all_rejected()) }
    });
    let fleet = stage.balancer.server_info();
    assert_eq!(fleet.len(), 2, "{fleet:?}");
    assert!(fleet.iter().all(|edge| edge.redirect != stranger.address.to_string()), "{fleet:?}");
    assert_eq!(ask(&stage.balancer), stage.agent.address.to_string());
}

#[test]
fn a_stranger_gets_no_answer() {
    let stage = Stage::set();
    let report = stage.proxy.next_report();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let total = || stage.balancer.metrics().sum("weir_reports_rejected_total", &[]);
    let before = total();
    // Damaged, cut short, played back, and nothing but noise.
    let datagrams = [&flipped(&report, HEADER), &report[..report.len() - 1], &report, &[0x5a; 200]];
    for datagram in datagrams {
        stranger.send_to(datagram, stage.balancer.reports).unwrap();
    }
    eventually("all are refused", PATIENCE, || {
        let refused = total() - before;
        if refused >= 4.0 { Ok(()) } else { Err(stage.all_rejected()) }
    });
    // Whatever was to be answered has been: an ack leaves before the report after it is looked at.
    stranger.set_nonblocking(true).unwrap();
    let answer = stranger.recv(&mut [0; 2000]);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::WouldBlock);
}
