//! The cost of a report on one core, without a socket.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use weir_fleet::{Fleet, Lifetimes, Moment, Origin, Time};
use weir_program::clock::unix_milliseconds;
use weir_protocol::datagram::MAX_LENGTH;
use weir_protocol::{EdgeId, Name, Receiver, Rejection};

use crate::outcome::Outcome;
use crate::reports::rate::{PER_SECOND, rate, run, timed};
use crate::reports::{load, rejections};

/// Edges that report in turn: more than fit into the caches of a core.
const EDGES: u32 = 10_000;
/// Reports of each edge.
const ROUNDS: usize = 20;

/// Measures sealing, opening, applying and acknowledging a report, and each rejection.
pub(super) fn measure(bound: f64) -> Vec<Outcome> {
    let now = unix_milliseconds();
    let report = load::report(now);
    let mut senders: Vec<_> = (0..EDGES).map(load::sender).collect();
    let mut datagrams = Vec::with_capacity(EDGES as usize * ROUNDS);
    let sealing = Instant::now();
    for _ in 0..ROUNDS {
        for sender in &mut senders {
            datagrams.extend(sender.seal(&report).map(<[u8]>::to_vec));
        }
    }
    let mut results = vec![Outcome::higher("seal", rate(datagrams.len(), sealing.elapsed()), PER_SECOND, None)];

    let mut receiver = load::receiver(EDGES as usize);
    let arrival = load::arrival(now);
    let (announced, mut rest) = datagrams.split_at_mut(EDGES as usize);
    results.push(timed("first contact", announced, |datagram| {
        receiver.open(datagram, &arrival).is_err_and(|rejection| rejection == Rejection::Unconfirmed)
    }));
    let mut part = |rounds: usize| {
        let (part, others) = std::mem::take(&mut rest).split_at_mut(EDGES as usize * rounds);
        rest = others;
        part
    };
    results.push(timed("open", part(5), |datagram| receiver.open(datagram, &arrival).is_ok()));

    let mut intake = Intake { receiver, fleet: fleet(), output: [0; MAX_LENGTH] };
    // The first report of each edge creates it.
    for datagram in part(1) {
        intake.take_in(datagram, now);
    }
    let (count, elapsed) = run(part(6), |datagram| intake.take_in(datagram, now).is_some());
    results.push(Outcome::higher("open and apply", rate(count, elapsed), PER_SECOND, Some(bound)));
    results.push(timed("open, apply and seal the ack", part(6), |datagram| {
        intake.take_in(datagram, now).is_some_and(|edge| intake.acknowledge(edge, datagram.len()))
    }));
    results.extend(rejections::measure(&mut intake.receiver, &mut senders, now));
    results
}

fn fleet() -> Fleet {
    let lifetimes = Lifetimes { timeout: Duration::from_secs(5), forget_after: Duration::from_secs(3600) };
    Fleet::new(lifetimes, load::selector())
}

/// The intake of a balancer without its socket.
struct Intake {
    receiver: Receiver,
    fleet: Fleet,
    output: [u8; MAX_LENGTH],
}

impl Intake {
    fn take_in(&mut self, datagram: &mut [u8], now: u64) -> Option<EdgeId> {
        let accepted = self.receiver.open(datagram, &load::arrival(now)).ok()?;
        let origin = Origin { source: Ipv4Addr::LOCALHOST.into(), key_id: accepted.key_id, duplicate: None };
        let moment = Moment { monotonic: Time::ORIGIN, unix: now };
        black_box(self.fleet.apply(accepted.edge, &accepted.report, origin, moment));
        Some(accepted.edge)
    }

    fn acknowledge(&mut self, edge: EdgeId, length: usize) -> bool {
        self.receiver.acknowledge(edge, Some(Name::from_static("balancer-1")), None, length, &mut self.output).is_some()
    }
}
