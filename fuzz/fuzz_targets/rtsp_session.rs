//! An RTSP client gets the same answers in whatever pieces it sends, each of them well-formed, and costs no more memory
//! than the limits say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtsp::respond::Connection;
use weir_fronts::rtsp::{Limits, Location, Session, Step, respond};
use weir_fuzz::script::pieces;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

/// So narrow that short inputs reach them.
const NARROW: Limits = Limits { line: 40, head: 100, headers: 3, body: 20, frames: 2, requests: 3, ..Limits::DEFAULT };

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, pieces)) = pieces(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let stays = flags & 2 != 0;
    let whole = run(limits, stays, std::iter::once(stream));
    let pieced = run(limits, stays, pieces);
    assert_eq!(whole, pieced);
});

/// What a session makes of a stream, and all that is sent. Whoever wants a stream is sent to an edge, and `stays` on the
/// connection then or not.
fn run<'a>(limits: Limits, stays: bool, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, String) {
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
                    assert!(ended || stays);
                    ended = true;
                    (None, true)
                }
                Step::Reply(_) => (Some(format!("{step:?}")), false),
                Step::Refuse(_) => {
                    ended = true;
                    (Some(format!("{step:?}")), false)
                }
                Step::Open(opening) => {
                    assert!(answer.is_empty());
                    assert!(is_head_of(opening.head, opening.request.cseq));
                    let step = format!("{:?} {:?}", opening.target, opening.request.cseq);
                    let cseq = opening.request.cseq;
                    let location = opening.target.path_and_query().map(|path| format!("rtsp://edge:8554{path}"));
                    match location.map(Location::parse) {
                        Some(Ok(location)) => {
                            respond::redirect(&mut answer, cseq, DATE, &location, "policy", Connection::Open);
                            if stays {
                                session.expect_return(location);
                            } else {
                                session.finish();
                                ended = true;
                            }
                        }
                        _ => {
                            respond::no_edge(&mut answer, cseq, DATE, 3, "refused-full");
                            session.finish();
                            ended = true;
                        }
                    }
                    (Some(step), false)
                }
                Step::Return(opening) => {
                    assert!(stays && answer.is_empty());
                    assert!(is_head_of(opening.head, opening.request.cseq));
                    steps.push(format!("back {:?}", opening.target));
                    return (steps, sent);
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

/// What an edge would be asked is the very request.
fn is_head_of(head: &[u8], cseq: u64) -> bool {
    head.ends_with(b"\n") && String::from_utf8_lossy(head).contains(&cseq.to_string())
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
