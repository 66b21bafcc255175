//! The responses to an RTSP client are well-formed and do not depend on the fragments in which it sends, and memory
//! stays within the limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_fronts::rtsp::response::Connection;
use weir_fronts::rtsp::{Limits, Location, Session, Step, response};
use weir_fuzz::script::fragments;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

/// Limits that short inputs reach.
const NARROW: Limits = Limits { line: 40, head: 100, headers: 3, body: 20, frames: 2, requests: 3, ..Limits::DEFAULT };

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else { return };
    let Some((stream, fragments)) = fragments(input) else { return };
    let limits = if flags & 1 == 0 { Limits::default() } else { NARROW };
    let keeps_open = flags & 2 != 0;
    let whole = run(limits, keeps_open, std::iter::once(stream));
    let fragmented = run(limits, keeps_open, fragments);
    assert_eq!(whole, fragmented);
});

/// Returns the steps and the output of a session that redirects every client, and then `keeps_open` the connection or
/// not.
fn run<'a>(limits: Limits, keeps_open: bool, fragments: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, String) {
    let mut session = Session::new(limits);
    let mut steps = Vec::new();
    let mut sent = String::new();
    let mut ended = false;
    for mut fragment in fragments {
        loop {
            let mut response = Vec::new();
            let step = session.step(&mut fragment, DATE, &mut response);
            let (step, needs_more) = match step {
                Step::NeedMore => (None, true),
                Step::Finished => {
                    assert!(ended || keeps_open);
                    ended = true;
                    (None, true)
                }
                Step::Responded(_) => (Some(format!("{step:?}")), false),
                Step::Rejected(_) => {
                    ended = true;
                    (Some(format!("{step:?}")), false)
                }
                Step::StreamRequested(requested) => {
                    assert!(response.is_empty());
                    assert!(is_head_of(requested.head, requested.request.cseq));
                    let step = format!("{:?} {:?}", requested.target, requested.request.cseq);
                    let cseq = requested.request.cseq;
                    let location = requested.target.path_and_query().map(|path| format!("rtsp://edge:8554{path}"));
                    match location.map(Location::parse) {
                        Some(Ok(location)) => {
                            response::redirect(&mut response, cseq, DATE, &location, "policy", Connection::Open);
                            if keeps_open {
                                session.await_redirected(location);
                            } else {
                                session.finish();
                                ended = true;
                            }
                        }
                        _ => {
                            response::no_edge(&mut response, cseq, DATE, 3, "refused-full");
                            session.finish();
                            ended = true;
                        }
                    }
                    (Some(step), false)
                }
                Step::RedirectFollowed(requested) => {
                    assert!(keeps_open && response.is_empty());
                    assert!(is_head_of(requested.head, requested.request.cseq));
                    steps.push(format!("followed {:?}", requested.target));
                    return (steps, sent);
                }
            };
            assert_eq!(step.is_some(), !response.is_empty(), "one response for each step");
            steps.extend(step);
            sent += check(&response);
            assert!(session.buffered() <= limits.head, "{} bytes buffered", session.buffered());
            if needs_more {
                break;
            }
        }
        assert!(fragment.is_empty(), "input is left");
    }
    if !ended {
        let mut response = Vec::new();
        session.time_out(DATE, &mut response);
        sent += check(&response);
    }
    (steps, sent)
}

/// Returns whether `head`, which would be relayed to an edge, is the head of the request.
fn is_head_of(head: &[u8], cseq: u64) -> bool {
    head.ends_with(b"\n") && String::from_utf8_lossy(head).contains(&cseq.to_string())
}

/// Checks that a response is a head in lines of ASCII, which no input from the client can end early.
fn check(response: &[u8]) -> &str {
    let text = str::from_utf8(response).expect("a response is ASCII");
    if !text.is_empty() {
        assert!(text.starts_with("RTSP/1.0 "));
        let head = text.strip_suffix("\r\n\r\n").expect("a response ends with an empty line");
        for line in head.split("\r\n") {
            assert!(!line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{line:?}");
        }
    }
    text
}
