//! Any datagram is rejected by a balancer and by an agent, or accepted once.
//!
//! Few inputs pass the signature. The targets `reports` and `acks` test the checks after it.
#![no_main]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir_fuzz::NOW;
use weir_protocol::receiver::{Limits, Receiver};
use weir_protocol::{Arrival, EdgeId, Rejection, Report, Secret, Sender};

fuzz_target!(|datagram: &[u8]| {
    at_the_balancer(datagram);
    at_the_agent(datagram);
});

fn at_the_balancer(datagram: &[u8]) {
    let ring = [Secret::from_random([1; 32]), Secret::from_random([2; 32])].into_iter().collect();
    let mut receiver = Receiver::new(ring, Limits::default(), [9; 16]);
    let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
    let arrival = Arrival { source, monotonic: Duration::from_secs(1000), unix: NOW };
    let mut open = || receiver.open(&mut datagram.to_vec(), &arrival).map(|_| ());
    let first = open();
    assert!(first.is_err(), "a new edge is accepted at its first report");
    if first == Err(Rejection::Unconfirmed) {
        assert_eq!(open(), Err(Rejection::Counter));
    }
}

fn at_the_agent(datagram: &[u8]) {
    let edge = EdgeId([1; 16]);
    let mut sender = Sender::new(Secret::from_random([1; 32]).edge_key(edge), edge, [1; 16]);
    sender.seal(&Report::new(NOW, NOW, Duration::from_millis(2500))).expect("such a report is short");
    let mut open = || sender.open_ack(&mut datagram.to_vec()).map(|_| ());
    if open().is_ok() {
        assert_eq!(open(), Err(Rejection::Counter));
    }
}
