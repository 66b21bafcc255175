//! Holders of keys, one of which may be hostile, send a few reports to one balancer, which accepts exactly those that
//! the rules allow.
//!
//! See [`Step::read`] for the format of the input.
#![no_main]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir_fuzz::NOW;
use weir_fuzz::damage::Damage;
use weir_fuzz::script::Script;
use weir_fuzz::seal::{Kind, Seal};
use weir_protocol::receiver::{Limits, SaltLimits};
use weir_protocol::report::Status;
use weir_protocol::{
    Action, Arrival, Command, EdgeId, KeyRing, Name, Receiver, Rejection, Report, Secret, codec, datagram,
};

/// Fewer than the number of edges in a script.
const MAX_EDGES: usize = 3;
/// Low enough for a script to reach.
const SALTS: SaltLimits = SaltLimits { per_source: 3, total: 5 };
const SKEW: Duration = Duration::from_secs(60);
const MAX_STEPS: usize = 24;

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let mut balancer = Balancer::new();
    for _ in 0..MAX_STEPS {
        if script.is_over() {
            break;
        }
        balancer.receive(&Step::read(&mut script));
    }
});

/// One datagram, and the time before it.
struct Step<'a> {
    elapsed: Duration,
    source: SocketAddr,
    seal: Seal,
    body: Vec<u8>,
    damage: Damage<'a>,
}

impl<'a> Step<'a> {
    /// Bytes: time before it, in 100 ms; edge and source; salt; keys; counter; form of the body; what the form needs;
    /// and damage.
    fn read(script: &mut Script<'a>) -> Self {
        let elapsed = Duration::from_millis(u64::from(script.byte()) * 100);
        let choice = script.byte();
        let source = SocketAddr::from((Ipv4Addr::new(192, 0, 2, choice / 5), 40_000));
        let edge = [choice % 5; 16];
        let salt = [script.byte(); 16];
        let (secret, claimed) = match script.byte() % 8 {
            0..=3 => (1, 1),
            4 | 5 => (2, 2),
            // Unknown to the balancer.
            6 => (3, 3),
            // Under the id of another.
            _ => (3, 1),
        };
        let counter = match script.byte() {
            // The highest.
            high @ 250.. => u64::MAX - u64::from(u8::MAX - high),
            low => low.into(),
        };
        let seal = Seal { kind: Kind::Report, secret: [secret; 32], claimed: [claimed; 32], edge, salt, counter };
        let body = read_body(script);
        let damage = Damage::read(script);
        Self { elapsed, source, seal, body, damage }
    }
}

/// A body: any bytes, or a report with the given times and any further fields.
fn read_body(script: &mut Script<'_>) -> Vec<u8> {
    let form = script.byte();
    if form >= 128 {
        let length = script.number();
        return script.bytes(length).to_vec();
    }
    let boot = NOW + u64::from(script.byte()) * 100;
    // Up to 128 s either way.
    let send = NOW.wrapping_add_signed(i64::from(script.byte().cast_signed()) * 1000);
    let mut report = Report::new(boot, send, Duration::from_millis(2500));
    report.status = if form & 0x40 == 0 { Status::Running } else { Status::Stopping };
    let mut body = vec![0; 64];
    let length = codec::encode_report(&report, &mut body).expect("such a report is short");
    body.truncate(length);
    let fields = form % 16;
    // The first byte of a map holds the number of its keys, up to 23 (RFC 8949 section 3).
    body[0] += fields;
    if fields > 0 {
        let length = script.number();
        body.extend_from_slice(script.bytes(length));
    }
    body
}

/// A receiver, and the state that it should have.
struct Balancer {
    receiver: Receiver,
    elapsed: Duration,
    edges: HashMap<EdgeId, Known>,
}

/// The sender whose reports are accepted for an edge, and its last report.
struct Known {
    secret: [u8; 32],
    salt: [u8; 16],
    counter: u64,
    boot_time: u64,
    interval: Duration,
    stopping: bool,
    last_seen: Duration,
    /// Whether it was not the first report of a new edge.
    confirmed: bool,
}

impl Known {
    /// Returns whether it may have been forgotten, since its first report was not confirmed in time.
    fn may_be_forgotten(&self, now: Duration) -> bool {
        !self.confirmed && now >= self.last_seen + 3 * self.interval
    }
}

impl Balancer {
    fn new() -> Self {
        let ring: KeyRing = [Secret::from_random([1; 32]), Secret::from_random([2; 32])].into_iter().collect();
        let mut limits = Limits::default();
        (limits.max_clock_skew, limits.max_edges, limits.salts) = (Some(SKEW), MAX_EDGES, SALTS);
        let elapsed = Duration::from_secs(1000);
        Self { receiver: Receiver::new(ring, limits, [9; 16]), elapsed, edges: HashMap::new() }
    }

    fn receive(&mut self, step: &Step<'_>) {
        self.elapsed += step.elapsed;
        let mut datagram = step.damage.apply(&step.seal, &step.body);
        let length = datagram.len();
        let changed = datagram != step.seal.datagram(&step.body, None);
        let forged = step.seal.secret == [3; 32];
        let arrival = Arrival { source: step.source, monotonic: self.elapsed, unix: self.unix() };
        let outcome = self.receiver.open(&mut datagram, &arrival);
        let rejection = outcome.as_ref().err().copied();
        match outcome {
            Ok(accepted) => {
                assert!(!changed && !forged, "a forgery is accepted");
                assert_eq!(accepted.edge, EdgeId(step.seal.edge));
                assert_eq!(accepted.report, codec::decode_report(&step.body).expect("only a report is accepted"));
                let booted = accepted.booted;
                assert_eq!(booted, self.check_accepted(step));
                self.remember(step, true);
                self.check_ack(step, length);
            }
            Err(Rejection::Unconfirmed) => {
                assert!(!changed && !forged, "a forgery leaves a trace");
                self.check_announced(step);
                self.remember(step, false);
            }
            Err(rejection) if !changed && !forged => check_rejection(step, rejection, length),
            Err(_) => {}
        }
        // A known sender stays accepted, whatever was sent under its id in between.
        if !changed
            && let Some(known) = self.edges.get(&EdgeId(step.seal.edge))
            && known.is_of(step)
            && step.seal.counter > known.counter
            && !known.may_be_forgotten(self.elapsed)
        {
            let is_report = length <= datagram::MAX_LENGTH && codec::decode_report(&step.body).is_ok();
            assert!(!is_report, "a known sender is rejected: {rejection:?}");
        }
    }

    /// Checks that it was right to accept a report, and returns whether it is the first of its sender.
    fn check_accepted(&self, step: &Step<'_>) -> bool {
        let known = self.edges.get(&EdgeId(step.seal.edge)).expect("a new edge is accepted at its second report");
        if known.is_of(step) {
            assert!(step.seal.counter > known.counter, "a replay is accepted");
            return !known.confirmed;
        }
        assert!(known.confirmed);
        assert!(step.boot_time() > known.boot_time, "an earlier sender is accepted");
        let silent = self.elapsed - known.last_seen;
        assert!(known.stopping || 4 * silent > 5 * known.interval, "an active sender is replaced");
        true
    }

    /// Checks that it was right to remember a new edge.
    fn check_announced(&self, step: &Step<'_>) {
        let sent = codec::decode_report(&step.body).expect("only a report is remembered").send_time;
        assert!(Duration::from_millis(sent.abs_diff(self.unix())) <= SKEW, "a skewed clock is accepted");
        let remembered = |known: &&Known| !known.may_be_forgotten(self.elapsed);
        if let Some(known) = self.edges.get(&EdgeId(step.seal.edge)).filter(remembered) {
            assert!(!known.confirmed && !known.is_of(step), "an edge is new twice");
            assert!(step.boot_time() > known.boot_time, "an earlier sender is remembered");
            return;
        }
        assert!(self.edges.values().filter(remembered).count() < MAX_EDGES);
    }

    fn remember(&mut self, step: &Step<'_>, confirmed: bool) {
        let report = codec::decode_report(&step.body).expect("only a report is remembered");
        let known = Known {
            secret: step.seal.secret,
            salt: step.seal.salt,
            counter: step.seal.counter,
            boot_time: report.boot_time,
            interval: report.interval,
            stopping: report.status == Status::Stopping,
            last_seen: self.elapsed,
            confirmed,
        };
        self.edges.insert(EdgeId(step.seal.edge), known);
    }

    /// Checks the ack of an accepted report.
    fn check_ack(&mut self, step: &Step<'_>, report_length: usize) {
        let command = Command::new(7, Action::Drain { deadline: Some(Duration::from_secs(60)) });
        let mut output = [0; datagram::MAX_LENGTH];
        let edge = EdgeId(step.seal.edge);
        let name = Name::from_static("balancer");
        let Some(sealed) = self.receiver.acknowledge(edge, Some(name), Some(command), report_length, &mut output)
        else {
            return;
        };
        assert!(sealed.len() <= report_length, "an ack is longer than its report");
        let body = step.seal.open_ack(sealed).expect("an ack can be opened with the edge's key");
        let ack = codec::decode_ack(&body).expect("an ack can be read");
        assert_eq!((ack.counter, ack.salt), (step.seal.counter, step.seal.salt));
    }

    /// The balancer's clock, in milliseconds since the Unix epoch.
    fn unix(&self) -> u64 {
        NOW + u64::try_from(self.elapsed.as_millis()).expect("a script takes less time") - 1_000_000
    }
}

impl Known {
    fn is_of(&self, step: &Step<'_>) -> bool {
        (self.secret, self.salt) == (step.seal.secret, step.seal.salt)
    }
}

impl Step<'_> {
    fn boot_time(&self) -> u64 {
        codec::decode_report(&self.body).expect("only a report is accepted").boot_time
    }
}

/// Checks the reason for which an unchanged datagram is rejected.
fn check_rejection(step: &Step<'_>, rejection: Rejection, length: usize) {
    match rejection {
        Rejection::Length => assert!(!(datagram::MIN_LENGTH..=datagram::MAX_LENGTH).contains(&length)),
        Rejection::Body => assert!(codec::decode_report(&step.body).is_err()),
        Rejection::Magic
        | Rejection::Version
        | Rejection::Kind
        | Rejection::KeyId
        | Rejection::Signature
        | Rejection::Decryption => panic!("a genuine datagram is rejected: {rejection}"),
        _ => {}
    }
}
