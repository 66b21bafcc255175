//! An RTSP client gets the same answers in whatever pieces it sends, each of them well-formed, and costs no more memory
//! than the limits say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_balancer::fronts::rtsp::{Limits, Location, Session, Step, respond};
use weir_fuzz::script::pieces;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

/// So narrow that short inputs reach them.
const NARROW: Limits = Limits { line: 40, head: 100, headers: 3, body: 20, frames: 2, requests: 3 };

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, pieces)) = pieces(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let whole = run(limits, std::iter::once(stream));
    let pieced = run(limits, pieces);
    assert_eq!(whole, pieced);
});

/// What a session makes of a stream, and all that is sent.
fn run<'a>(limits: Limits, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, String) {
    let mut session = Session::new(limits);
    let mut steps = Vec::new();
    let mut sent = String::new();
    let mut ended = false;
    for mut piece in pieces {
        loop {
            let mut answer = Vec::new();
            let step = session.step(&mut piece, DATE, &mut answer);
            let (step, expects_more) = match step {
                Step::Need => (None, true),
                Step::Finished => {
                    assert!(ended);
                    (None, true)
                }
                Step::Reply(_) => (Some(format!("{step:?}")), false),
                Step::Refuse(_) => {
                    ended = true;
                    (Some(format!("{step:?}")), false)
                }
                Step::Describe(describe) => {
                    ended = true;
                    assert!(answer.is_empty());
                    let location = describe.target.path_and_query().map(|path| format!("rtsp://edge:8554{path}"));
                    match location.map(Location::parse) {
                        Some(Ok(location)) => {
                            respond::redirect(&mut answer, describe.request.cseq, DATE, &location, "policy");
                        }
                        _ => respond::no_edge(&mut answer, describe.request.cseq, DATE, 3, "refused-full"),
                    }
                    (Some(format!("{:?} {:?}", describe.target, describe.request.cseq)), false)
                }
            };
            assert_eq!(step.is_some(), !answer.is_empty(), "one step, one answer");
            steps.extend(step);
            sent += check(&answer);
            assert!(session.buffered() <= limits.head, "{} bytes held", session.buffered());
            if expects_more {
                break;
            }
        }
        assert!(piece.is_empty(), "all is read");
    }
    if !ended {
        let mut answer = Vec::new();
        session.time_out(DATE, &mut answer);
        sent += check(&answer);
    }
    (steps, sent)
}

/// An answer is a head in lines of ASCII, and nothing a client sent can end it early.
fn check(answer: &[u8]) -> &str {
    let text = str::from_utf8(answer).expect("an answer is ASCII");
    if !text.is_empty() {
        assert!(text.starts_with("RTSP/1.0 "));
        let head = text.strip_suffix("\r\n\r\n").expect("an answer ends with an empty line");
        for line in head.split("\r\n") {
            assert!(!line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line:?}");
        }
    }
    text
}
