//! Captures of real clients, and properties of complete sessions.
//!
//! The files in `fixtures` hold the bytes that each client sent to a recording server on loopback. The server responded
//! as this front does, except that it kept the connection open after a rejection. The name of a file holds the client,
//! its version, and its action.

use proptest::prelude::*;

use super::limits::Limits;
use super::location::Location;
use super::rejection::Rejection;
use super::response;
use super::session::{Session, Step};
use super::status::Status;

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

/// A step without borrowed data.
#[derive(Debug, Clone, PartialEq)]
enum OwnedStep {
    Responded(Status),
    Redirected { cseq: u64, path_and_query: String },
    Rejected(Rejection),
}

/// Runs a session with `fragments` as input that redirects every player to one edge. Returns the steps and the output.
fn run<'a>(fragments: impl IntoIterator<Item = &'a [u8]>) -> (Vec<OwnedStep>, String) {
    let limits = Limits::default();
    let mut session = Session::new(limits);
    let mut steps = Vec::new();
    let mut out = Vec::new();
    for mut fragment in fragments {
        loop {
            let step = match session.step(&mut fragment, DATE, &mut out) {
                Step::NeedMore | Step::Finished => {
                    assert!(fragment.is_empty(), "all input is taken");
                    break;
                }
                Step::Responded(status) => OwnedStep::Responded(status),
                Step::Rejected(rejection) => OwnedStep::Rejected(rejection),
                Step::RedirectFollowed(_) => panic!("the connection was not kept open after a redirect"),
                Step::StreamRequested(requested) => {
                    let cseq = requested.request.cseq;
                    let kept = requested.target.path_and_query().expect("never an asterisk").to_owned();
                    let location = Location::parse(format!("rtsp://edge-1:8554{kept}"))
                        .or_else(|_| Location::parse("rtsp://edge-1:8554/".to_owned()))
                        .expect("a location");
                    response::redirect(&mut out, cseq, DATE, &location, "policy", response::Connection::Close);
                    session.finish();
                    OwnedStep::Redirected { cseq, path_and_query: kept }
                }
            };
            steps.push(step);
        }
        assert!(session.buffered() <= limits.head);
    }
    (steps, String::from_utf8(out).expect("ASCII"))
}

/// Runs a session with `bytes` as a whole, split in two at each offset, and byte by byte. All results are equal.
fn run_in_all_fragments(bytes: &[u8]) -> (Vec<OwnedStep>, String) {
    let whole = run([bytes]);
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(run([first, second]), whole, "split at {cut}");
    }
    assert_eq!(run(bytes.chunks(1)), whole);
    whole
}

fn player(cseq: u64, path_and_query: &str) -> Vec<OwnedStep> {
    let path_and_query = path_and_query.to_owned();
    vec![OwnedStep::Responded(Status::Ok), OwnedStep::Redirected { cseq, path_and_query }]
}

const PUBLIC: &str = "RTSP/1.0 200 OK\r\n\
    CSeq: 1\r\n\
    Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
    Server: Weir\r\n\
    Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, TEARDOWN, PLAY, RECORD\r\n\
    Content-Length: 0\r\n\
    \r\n";

/// The redirect in response to `DESCRIBE`, the second request of players.
fn moved(path_and_query: &str) -> String {
    format!(
        "RTSP/1.0 302 Moved Temporarily\r\n\
         CSeq: 2\r\n\
         Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
         Server: Weir\r\n\
         Location: rtsp://edge-1:8554{path_and_query}\r\n\
         Weir-Reason: policy\r\n\
         Content-Length: 0\r\n\
         Connection: close\r\n\
         \r\n"
    )
}

#[test]
fn players_are_redirected_with_path_and_query() {
    for bytes in [
        &include_bytes!("fixtures/ffmpeg-5.1.9-play.rtsp")[..],
        include_bytes!("fixtures/gstreamer-1.22.0-rtspsrc.rtsp"),
    ] {
        let (steps, sent) = run_in_all_fragments(bytes);
        assert_eq!(steps, player(2, "/live/stream?token=abc"));
        assert_eq!(sent, PUBLIC.to_owned() + &moved("/live/stream?token=abc"));
    }
}

#[test]
fn a_player_without_a_path_is_redirected() {
    let bytes = include_bytes!("fixtures/ffmpeg-5.1.9-play-no-path.rtsp");
    let (steps, sent) = run_in_all_fragments(bytes);
    assert_eq!(steps, player(2, ""));
    assert_eq!(sent, PUBLIC.to_owned() + &moved(""));
}

/// Windows Media Player starts with `DESCRIBE` and lists its features: the example of [MS-RTSP] section 2.2.7.2. Its
/// request line has `rtsp`, whatever the scheme that its user entered. Should `rtspt` or `rtspu` arrive, they are kept.
#[test]
fn windows_media_player_is_redirected_at_its_first_request() {
    for scheme in ["rtsp", "rtspt", "rtspu"] {
        let bytes = format!(
            "DESCRIBE {scheme}://myserver.com/mycontent.wmv RTSP/1.0\r\n\
             User-Agent: WMPlayer/9.0.0.2833 guid/B64345F5-8C45-4818-8A1A-4775F0923FAC\r\n\
             Accept: application/sdp\r\n\
             Accept-Charset: UTF-8, *;q=0.1\r\n\
             X-Accept-Authentication: Negotiate, NTLM, Digest\r\n\
             Accept-Language: en-US, *;q=0.1\r\n\
             CSeq: 1\r\n\
             Supported: com.microsoft.wm.srvppair, com.microsoft.wm.sswitch, com.microsoft.wm.eosmsg, \
             com.microsoft.wm.predstrm\r\n\
             \r\n"
        );
        let (steps, sent) = run_in_all_fragments(bytes.as_bytes());
        assert_eq!(steps, [OwnedStep::Redirected { cseq: 1, path_and_query: "/mycontent.wmv".to_owned() }]);
        assert_eq!(sent, moved("/mycontent.wmv").replace("CSeq: 2", "CSeq: 1"));
    }
}

#[test]
fn publishers_are_left_to_the_caller() {
    for bytes in [
        &include_bytes!("fixtures/ffmpeg-5.1.9-publish.rtsp")[..],
        include_bytes!("fixtures/gstreamer-1.22.0-rtspclientsink.rtsp"),
    ] {
        let (steps, _) = run_in_all_fragments(bytes);
        assert_eq!(steps, player(2, "/live/stream?token=abc"));
    }
}

#[test]
fn curl_receives_the_list_of_methods() {
    let bytes = include_bytes!("fixtures/curl-7.88.1-options.rtsp");
    let (steps, sent) = run_in_all_fragments(bytes);
    assert_eq!(steps, [OwnedStep::Responded(Status::Ok)]);
    assert_eq!(sent, PUBLIC);
}

/// A part of a connection: valid requests, almost valid ones, frames, and random bytes.
fn part() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "(OPTIONS|PLAY|SETUP|GET_PARAMETER|X) (\\*|/[!-~]{0,9}|rtsp://[a-z@:/?]{1,12}) RTSP/1.0\
              \r?\nCSeq: [0-9]{1,3}\r?\n(Session: 1\n)?\r?\n"
            .prop_map(String::into_bytes),
        2 => "SET_PARAMETER \\* RTSP/1.0\nCSeq: 1\nContent-Length: 5\n\n[$a-z\n]{5}"
            .prop_map(String::into_bytes),
        1 => "(DESCRIBE|ANNOUNCE) (/|rtsp://)[ -~]{0,24} RTSP/1.0\nCSeq: 5\n\n"
            .prop_map(String::into_bytes),
        1 => "[A-Z]{1,9} [ -~]{1,9}( RTSP/[0-9.]{1,3})?\r?\n([A-Za-z-]{1,7}: ?[ -~]{0,9}\r?\n){0,3}\n"
            .prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(|payload| {
            // Fewer than 12 bytes: the length fits.
            [&[b'$', 0, 0, payload.len() as u8][..], &payload].concat()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (8_000_usize..9_000).prop_map(|length| vec![b'x'; length]),
        1 => Just(b"\r\n".to_vec()),
    ]
}

proptest! {
    #[test]
    fn fragments_do_not_matter_and_memory_stays_within_the_limit(
        parts in prop::collection::vec(part(), 0..6),
        sizes in prop::collection::vec(1_usize..600, 1..20),
    ) {
        let bytes = parts.concat();
        let mut rest = &bytes[..];
        let fragments = sizes.iter().cycle().map_while(|&size| {
            let (fragment, after) = rest.split_at_checked(size.min(rest.len()))?;
            rest = after;
            (!fragment.is_empty()).then_some(fragment)
        });
        prop_assert_eq!(run(fragments), run([&bytes[..]]));
    }

    #[test]
    fn a_client_cannot_add_a_line_to_a_response(
        target in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let head = [b"DESCRIBE rtsp://h/", &target[..], b" RTSP/1.0\r\nCSeq: 2\r\n\r\n"].concat();
        let (steps, sent) = run([&head[..]]);
        if let Some(OwnedStep::Redirected { path_and_query, .. }) = steps.first() {
            prop_assert_eq!(sent, moved(path_and_query));
        }
    }
}
