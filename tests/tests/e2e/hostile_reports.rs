//! Forged, damaged and replayed reports are rejected, counted by reason, and change nothing.

use std::io::ErrorKind;
use std::net::UdpSocket;

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::ask;
use weir_tests::server_info::ServerInfo;
use weir_tests::udp_proxy::UdpProxy;
use weir_tests::wait::{PATIENCE, eventually};

/// Length of the header in bytes: magic, version, kind, zero, key id, edge id, boot salt, counter.
const HEADER: usize = 4 + 1 + 1 + 2 + 4 + 16 + 16 + 8;
/// Lengths of the AES-GCM tag and the HMAC, which end a datagram in this order.
const TAG: usize = 16;
const HMAC: usize = 32;

/// An agent that reports through a proxy, and another one that reports directly.
struct Setup {
    balancer: Balancer,
    proxy: UdpProxy,
    agent: Agent,
    _other: Agent,
}

impl Setup {
    fn start() -> Self {
        let balancer = Balancer::start();
        let proxy = UdpProxy::in_front_of(balancer.reports);
        let agent = AgentBuilder::reporting_to(proxy.address, &balancer.key_file()).load(3).start();
        let other = AgentBuilder::of(&balancer).load(30).start();
        balancer.await_running(2);
        Self { balancer, proxy, agent, _other: other }
    }

    fn rejected(&self, reason: &str) -> f64 {
        self.balancer.metrics().sum("weir_reports_rejected_total", &[("reason", reason)])
    }

    /// Sends a datagram and waits until it is counted as rejected, for this reason only.
    #[track_caller]
    fn assert_rejected(&self, datagram: &[u8], reason: &str) {
        let total = || self.balancer.metrics().sum("weir_reports_rejected_total", &[]);
        let (before, total_before) = (self.rejected(reason), total());
        let fleet_before: Vec<_> = self.balancer.server_info().iter().map(ServerInfo::identity_and_load).collect();
        self.proxy.inject(datagram);
        eventually(&format!("a report is rejected: {reason}"), PATIENCE, || {
            let now = self.rejected(reason);
            if now == before + 1.0 { Ok(()) } else { Err(self.all_rejected()) }
        });
        assert_eq!(total(), total_before + 1.0, "{}", self.all_rejected());
        let fleet: Vec<_> = self.balancer.server_info().iter().map(ServerInfo::identity_and_load).collect();
        assert_eq!(fleet, fleet_before, "the fleet has changed");
    }

    fn all_rejected(&self) -> String {
        let page = weir_tests::http::get(self.balancer.admin, "/metrics").expect("the metrics").body;
        page.lines().filter(|line| line.starts_with("weir_reports")).map(|line| format!("{line}\n")).collect()
    }
}

fn with_flipped_bit(datagram: &[u8], byte: usize) -> Vec<u8> {
    let mut datagram = datagram.to_owned();
    datagram[byte] ^= 1;
    datagram
}

#[test]
fn a_report_with_a_flipped_bit_is_rejected() {
    let setup = Setup::start();
    let report = setup.proxy.next_report();
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
        setup.assert_rejected(&with_flipped_bit(&report, byte), reason);
    }
    assert_eq!(ask(&setup.balancer), setup.agent.address.to_string());
}

#[test]
fn truncated_and_oversized_datagrams_are_rejected() {
    let setup = Setup::start();
    let report = setup.proxy.next_report();
    setup.assert_rejected(&report[..HEADER], "length");
    setup.assert_rejected(&report[..4], "length");
    setup.assert_rejected(b"", "length");
    setup.assert_rejected(&report[..report.len() - 1], "signature");
    let mut oversized = report.clone();
    oversized.resize(1201, 0);
    setup.assert_rejected(&oversized, "length");
}

#[test]
fn a_replayed_report_is_rejected() {
    let setup = Setup::start();
    let report = setup.proxy.next_report();
    setup.assert_rejected(&report, "counter");
    setup.assert_rejected(&setup.proxy.recorded()[0], "counter");
}

#[test]
fn replayed_reports_do_not_keep_a_dead_edge_alive() {
    let mut setup = Setup::start();
    let _last = setup.proxy.next_report();
    setup.agent.kill();
    let recorded = setup.proxy.recorded();
    let dead = setup.agent.address.to_string();
    setup.balancer.await_fleet("the dead edge has timed out", |fleet| {
        // At the polling rate of this loop, which is much faster than regular reports.
        recorded.iter().for_each(|report| setup.proxy.inject(report));
        fleet.iter().any(|edge| edge.redirect == dead && edge.status == "MSGTIMEOUT")
    });
    assert_ne!(ask(&setup.balancer), dead);
}

#[test]
fn replayed_reports_from_an_earlier_start_are_rejected() {
    let mut setup = Setup::start();
    let earlier = setup.proxy.next_report();
    let _ = setup.agent.terminate().expect_success();
    // A replayed report does not bring back an edge that has stopped.
    setup.assert_rejected(&earlier, "counter");
    setup.agent.restart();
    let _first = setup.proxy.next_report();
    setup.balancer.await_running(2);
    // A recording this recent could as well come from a copy of the installation.
    setup.assert_rejected(&earlier, "duplicate");
}

#[test]
fn reports_with_an_unknown_key_are_rejected() {
    let setup = Setup::start();
    let other = Balancer::start();
    let before = setup.rejected("key-id");
    let stranger = AgentBuilder::reporting_to(setup.balancer.reports, &other.key_file()).start();
    eventually("its reports are rejected", PATIENCE, || {
        let rejected = setup.rejected("key-id") - before;
        if rejected >= 2.0 { Ok(()) } else { Err(setup.all_rejected()) }
    });
    let fleet = setup.balancer.server_info();
    assert_eq!(fleet.len(), 2, "{fleet:?}");
    assert!(fleet.iter().all(|edge| edge.redirect != stranger.address.to_string()), "{fleet:?}");
    assert_eq!(ask(&setup.balancer), setup.agent.address.to_string());
}

#[test]
fn unauthenticated_senders_get_no_answer() {
    let setup = Setup::start();
    let report = setup.proxy.next_report();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let total = || setup.balancer.metrics().sum("weir_reports_rejected_total", &[]);
    let before = total();
    // Damaged, truncated, replayed, and random.
    let datagrams = [&with_flipped_bit(&report, HEADER), &report[..report.len() - 1], &report, &[0x5a; 200]];
    for datagram in datagrams {
        stranger.send_to(datagram, setup.balancer.reports).unwrap();
    }
    eventually("all are rejected", PATIENCE, || {
        let rejected = total() - before;
        if rejected >= 4.0 { Ok(()) } else { Err(setup.all_rejected()) }
    });
    // Any ack would have been sent by now: it is sent before the next datagram is processed.
    stranger.set_nonblocking(true).unwrap();
    let answer = stranger.recv(&mut [0; 2000]);
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::WouldBlock);
}
