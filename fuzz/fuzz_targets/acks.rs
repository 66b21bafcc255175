//! Balancers, one of which may be hostile, send a few acks to one agent, which accepts exactly those that the rules
//! allow.
//!
//! See [`Step::read`] for the format of the input.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use weir_fuzz::NOW;
use weir_fuzz::damage::Damage;
use weir_fuzz::script::Script;
use weir_fuzz::seal::{Kind, Seal};
use weir_protocol::{Ack, EdgeId, Rejection, Report, Secret, Sender, codec};

const EDGE: [u8; 16] = [1; 16];
const SALT: [u8; 16] = [1; 16];
const MAX_STEPS: usize = 24;

fuzz_target!(|input: &[u8]| {
    let mut script = Script(input);
    let key = Secret::from_random([1; 32]).edge_key(EdgeId(EDGE));
    let mut sender = Sender::new(key, EdgeId(EDGE), SALT);
    let mut acknowledged = 0;
    for _ in 0..MAX_STEPS {
        if script.is_over() {
            break;
        }
        let step = Step::read(&mut script);
        for _ in 0..step.reports {
            sender.seal(&Report::new(NOW, NOW, Duration::from_millis(2500))).expect("such a report is short");
        }
        step.send(&mut sender, &mut acknowledged);
    }
});

/// One ack, and the number of reports sent before it.
struct Step<'a> {
    reports: u8,
    seal: Seal,
    body: Vec<u8>,
    damage: Damage<'a>,
}

impl<'a> Step<'a> {
    /// Bytes: reports before it; edge, key and kind; the balancer's salt; counter; form of the body; what the form
    /// needs; and damage.
    fn read(script: &mut Script<'a>) -> Self {
        let reports = script.byte() % 4;
        let choice = script.byte();
        let seal = Seal {
            kind: if choice & 0x80 == 0 { Kind::Ack } else { Kind::Report },
            secret: if choice & 0x40 == 0 { [1; 32] } else { [3; 32] },
            claimed: if choice & 0x20 == 0 { [1; 32] } else { [3; 32] },
            edge: [1 + (choice & 1); 16],
            salt: [script.byte(); 16],
            counter: script.byte().into(),
        };
        let body = read_body(script);
        let damage = Damage::read(script);
        Self { reports, seal, body, damage }
    }

    fn send(&self, sender: &mut Sender, acknowledged: &mut u64) {
        let datagram = self.damage.apply(&self.seal, &self.body);
        let changed = datagram != self.seal.datagram(&self.body, None);
        let genuine = Seal { salt: self.seal.salt, counter: self.seal.counter, ..AUTHENTIC };
        let forged = self.seal != genuine;
        let last = sender.last_counter();
        let expected = codec::decode_ack(&self.body).ok();
        let is_due = |ack: &Ack<'_>| ack.salt == SALT && ack.counter > *acknowledged && ack.counter <= last;
        let mut received = datagram;
        let length = received.len();
        match sender.open_ack(&mut received) {
            Ok(ack) => {
                assert!(!changed && !forged, "a forgery is accepted");
                assert_eq!(Some(ack), expected);
                assert!(is_due(&ack), "an ack of no report is accepted");
                *acknowledged = ack.counter;
            }
            Err(rejection) if !changed && !forged && (101..=1200).contains(&length) => match expected {
                None => assert_eq!(rejection, Rejection::Body),
                Some(ack) => {
                    assert_eq!(rejection, Rejection::Counter);
                    assert!(!is_due(&ack), "a genuine ack is rejected");
                }
            },
            Err(_) => {}
        }
    }
}

/// The seal of an authentic ack to this agent, but for its salt and counter.
const AUTHENTIC: Seal =
    Seal { kind: Kind::Ack, secret: [1; 32], claimed: [1; 32], edge: EDGE, salt: [0; 16], counter: 0 };

/// A body: any bytes, or an ack of the given report and any further fields.
fn read_body(script: &mut Script<'_>) -> Vec<u8> {
    let form = script.byte();
    if form >= 128 {
        let length = script.number();
        return script.bytes(length).to_vec();
    }
    let ack = Ack::new(script.byte().into(), SALT);
    let mut body = vec![0; 64];
    let length = codec::encode_ack(&ack, &mut body).expect("such an ack is short");
    body.truncate(length);
    // The first byte of a map holds the number of its keys, up to 23 (RFC 8949 section 3).
    body[0] += form % 16;
    if form > 0 {
        let length = script.number();
        body.extend_from_slice(script.bytes(length));
    }
    body
}
