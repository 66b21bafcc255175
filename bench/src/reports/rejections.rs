//! What each way to be rejected costs. Each is to be at least as fast as being believed, but for those that derive keys.
//!
//! One is missing: a body that does not decrypt under a right signature, which only a holder of the key can make. It costs
//! what being believed does, less the reading of the body.

use std::time::Duration;

use weir_protocol::receiver::{Limits, SaltLimits};
use weir_protocol::{Receiver, Rejection, Report, Sender};

use crate::outcome::Outcome;
use crate::reports::intake::timed;
use crate::reports::load;

/// Measures all of them. `receiver` knows the edges of `senders`.
pub(super) fn measure(receiver: &mut Receiver, senders: &mut [Sender], now: u64) -> Vec<Outcome> {
    let report = load::report(now);
    let short = Report { interval: Duration::from_millis(1), ..report.clone() };
    let old = load::report(now - 3_600_000);
    let changed = |datagrams: Vec<Vec<u8>>, at: usize| -> Vec<Vec<u8>> {
        let change = |mut datagram: Vec<u8>| {
            let at = at.min(datagram.len() - 1);
            datagram[at] = !datagram[at];
            datagram
        };
        datagrams.into_iter().map(change).collect()
    };
    let cut = |datagrams: Vec<Vec<u8>>| datagrams.into_iter().map(|datagram| datagram[..90].to_vec()).collect();
    let edges = u32::try_from(senders.len()).unwrap_or(u32::MAX);
    let mut others: Vec<Sender> = (0..edges).map(load::other_sender).collect();
    let mut strangers: Vec<Sender> = (edges..2 * edges).map(load::sender).collect();

    let played_back = sealed(senders, &report);
    for datagram in &played_back {
        let _ = receiver.open(&mut datagram.clone(), &load::arrival(now));
    }
    let known = [
        ("length", cut(sealed(senders, &report)), Rejection::Length),
        ("magic", changed(sealed(senders, &report), 0), Rejection::Magic),
        ("version", changed(sealed(senders, &report), 4), Rejection::Version),
        ("kind", changed(sealed(senders, &report), 5), Rejection::Kind),
        ("key id", changed(sealed(senders, &report), 8), Rejection::KeyId),
        ("signature, known salt", changed(sealed(senders, &report), usize::MAX), Rejection::Signature),
        ("signature, unknown salt", changed(sealed(senders, &report), 30), Rejection::Signature),
        ("counter", played_back, Rejection::Counter),
        ("body", sealed(senders, &short), Rejection::Body),
        ("boot", sealed(&mut others, &old), Rejection::Boot),
        ("duplicate", sealed(&mut others, &Report { boot_time: 1, ..report.clone() }), Rejection::Duplicate),
    ];
    let mut results: Vec<Outcome> =
        known.into_iter().map(|(name, datagrams, expected)| one(name, receiver, datagrams, expected, now)).collect();

    let mut nobody_else = load::receiver(1);
    for mut first in sealed(&mut strangers[..1], &report) {
        let _ = nobody_else.open(&mut first, &load::arrival(now));
    }
    let salts = SaltLimits { per_source: 1, total: 1 };
    let mut busy =
        Receiver::new([load::secret()].into_iter().collect(), Limits { salts, ..Limits::default() }, [9; 16]);
    let mut anybody = load::receiver(senders.len());
    results.push(one("rate", &mut busy, sealed(&mut strangers, &report), Rejection::Rate, now));
    results.push(one("skew", &mut anybody, sealed(&mut strangers, &old), Rejection::Skew, now));
    let full = sealed(&mut strangers[1..], &report);
    results.push(one("edges", &mut nobody_else, full, Rejection::Edges, now));
    results
}

fn sealed(senders: &mut [Sender], report: &Report<'_>) -> Vec<Vec<u8>> {
    senders.iter_mut().filter_map(|sender| sender.seal(report).map(<[u8]>::to_vec).ok()).collect()
}

fn one(name: &str, receiver: &mut Receiver, mut datagrams: Vec<Vec<u8>>, expected: Rejection, now: u64) -> Outcome {
    let arrival = load::arrival(now);
    timed(&format!("reject: {name}"), &mut datagrams, |datagram| {
        receiver.open(datagram, &arrival).is_err_and(|rejection| rejection == expected)
    })
}
