//! The cost of each rejection. Each should be at least as fast as accepting a report, except for those that derive
//! keys.
//!
//! One is missing: a body that does not decrypt although the signature is correct, which only a holder of the key can
//! make. It costs as much as an accepted report, less the parsing of the body.

use std::time::Duration;

use weir_protocol::receiver::{Limits, SaltLimits};
use weir_protocol::{Receiver, Rejection, Report, Sender};

use crate::outcome::Outcome;
use crate::reports::load;
use crate::reports::rate::timed;

/// Measures all rejections. `receiver` must have accepted the edges of `senders`.
pub(super) fn measure(receiver: &mut Receiver, senders: &mut [Sender], now: u64) -> Vec<Outcome> {
    let report = load::report(now);
    let short = report.clone().with(|report| report.interval = Duration::from_millis(1));
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
    let mut unknown: Vec<Sender> = (edges..2 * edges).map(load::sender).collect();

    let replayed = sealed(senders, &report);
    for datagram in &replayed {
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
        ("counter", replayed, Rejection::Counter),
        ("body", sealed(senders, &short), Rejection::Body),
        ("boot", sealed(&mut others, &old), Rejection::Boot),
        ("duplicate", sealed(&mut others, &report.clone().with(|report| report.boot_time = 1)), Rejection::Duplicate),
    ];
    let mut results: Vec<Outcome> = known
        .into_iter()
        .map(|(name, datagrams, expected)| rejection(name, receiver, datagrams, expected, now))
        .collect();

    let mut single = load::receiver(1);
    for mut first in sealed(&mut unknown[..1], &report) {
        let _ = single.open(&mut first, &load::arrival(now));
    }
    let salts = SaltLimits { per_source: 1, total: 1 };
    let mut limits = Limits::default();
    limits.salts = salts;
    let mut limited = Receiver::new([load::secret()].into_iter().collect(), limits, [9; 16]);
    let mut empty = load::receiver(senders.len());
    results.push(rejection("rate", &mut limited, sealed(&mut unknown, &report), Rejection::Rate, now));
    results.push(rejection("skew", &mut empty, sealed(&mut unknown, &old), Rejection::Skew, now));
    let full = sealed(&mut unknown[1..], &report);
    results.push(rejection("edges", &mut single, full, Rejection::Edges, now));
    results
}

fn sealed(senders: &mut [Sender], report: &Report<'_>) -> Vec<Vec<u8>> {
    senders.iter_mut().filter_map(|sender| sender.seal(report).map(<[u8]>::to_vec).ok()).collect()
}

fn rejection(
    name: &str,
    receiver: &mut Receiver,
    mut datagrams: Vec<Vec<u8>>,
    expected: Rejection,
    now: u64,
) -> Outcome {
    let arrival = load::arrival(now);
    timed(&format!("reject: {name}"), &mut datagrams, |datagram| {
        receiver.open(datagram, &arrival).is_err_and(|actual| actual == expected)
    })
}
