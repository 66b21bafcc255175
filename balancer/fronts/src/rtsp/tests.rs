//! Real clients' requests, and properties of whole conversations.
//!
//! The files under `fixtures` are what each client sent to a recording server on loopback that
//! answered as this front does, but for one thing: it kept the connection after a refusal. Their
//! names say which client, which version, and what it did.

use proptest::prelude::*;

use super::{Limits, Location, Refusal, Session, Status, Step, respond};

const DATE: &str = "Thu, 23 Jan 1997 15:35:06 GMT";

/// A step, without what it borrows.
#[derive(Debug, Clone, PartialEq)]
enum Taken {
    Reply(Status),
    Open { cseq: u64, path_and_query: String },
    Refuse(Refusal),
}

/// Plays a caller that gets `pieces` and sends every player to one edge. Returns the steps, and
/// all that is sent.
fn converse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Taken>, String) {
    let limits = Limits::default();
    let mut session = Session::new(limits);
    let mut steps = Vec::new();
    let mut out = Vec::new();
    for mut piece in pieces {
        loop {
            let taken = match session.step(&mut piece, DATE, &mut out) {
                Step::Need | Step::Finished => {
                    assert!(piece.is_empty(), "input is left");
                    break;
                }
                Step::Reply(status) => Taken::Reply(status),
                Step::Refuse(refusal) => Taken::Refuse(refusal),
                Step::Return(_) => panic!("nobody was sent anywhere"),
                Step::Open(opening) => {
                    let cseq = opening.request.cseq;
                    let kept = opening.target.path_and_query().expect("never an asterisk").to_owned();
                    let location = Location::parse(format!("rtsp://edge-1:8554{kept}"))
                        .or_else(|_| Location::parse("rtsp://edge-1:8554/".to_owned()))
                        .expect("a location");
                    respond::redirect(&mut out, cseq, DATE, &location, "policy", respond::Connection::Close);
                    session.finish();
                    Taken::Open { cseq, path_and_query: kept }
                }
            };
            steps.push(taken);
        }
        assert!(session.buffered() <= limits.head);
    }
    (steps, String::from_utf8(out).expect("ASCII"))
}

/// Plays `bytes` whole, cut in two at each boundary, and one byte at a time: all the same.
fn converse_in_all_pieces(bytes: &[u8]) -> (Vec<Taken>, String) {
    let whole = converse([bytes]);
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        assert_eq!(converse([first, second]), whole, "cut at {cut}");
    }
    assert_eq!(converse(bytes.chunks(1)), whole);
    whole
}

fn player(cseq: u64, path_and_query: &str) -> Vec<Taken> {
    vec![Taken::Reply(Status::Ok), Taken::Open { cseq, path_and_query: path_and_query.to_owned() }]
}

const PUBLIC: &str = "RTSP/1.0 200 OK\r\n\
    CSeq: 1\r\n\
    Date: Thu, 23 Jan 1997 15:35:06 GMT\r\n\
    Server: Weir\r\n\
    Public: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, TEARDOWN, PLAY, RECORD\r\n\
    Content-Length: 0\r\n\
    \r\n";

/// What players are told at `DESCRIBE`, their second request.
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
fn players_are_sent_to_an_edge_with_path_and_query() {
    for bytes in [
        &include_bytes!("fixtures/ffmpeg-5.1.9-play.rtsp")[..],
        include_bytes!("fixtures/gstreamer-1.22.0-rtspsrc.rtsp"),
    ] {
        let (steps, sent) = converse_in_all_pieces(bytes);
        assert_eq!(steps, player(2, "/live/stream?token=abc"));
        assert_eq!(sent, PUBLIC.to_owned() + &moved("/live/stream?token=abc"));
    }
}

#[test]
fn a_player_without_a_path_is_sent_to_an_edge() {
    let bytes = include_bytes!("fixtures/ffmpeg-5.1.9-play-no-path.rtsp");
    let (steps, sent) = converse_in_all_pieces(bytes);
    assert_eq!(steps, player(2, ""));
    assert_eq!(sent, PUBLIC.to_owned() + &moved(""));
}

/// Windows Media Player begins with `DESCRIBE`, and names what it can do: the example of [MS-RTSP] section 2.2.7.2. It
/// asks with `rtsp` in the request line whatever the scheme that its user gave; `rtspt` and `rtspu` are kept should they
/// come all the same.
#[test]
fn windows_media_player_is_sent_to_an_edge_at_once() {
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
        let (steps, sent) = converse_in_all_pieces(bytes.as_bytes());
        assert_eq!(steps, [Taken::Open { cseq: 1, path_and_query: "/mycontent.wmv".to_owned() }]);
        assert_eq!(sent, moved("/mycontent.wmv").replace("CSeq: 2", "CSeq: 1"));
    }
}

#[test]
fn publishers_are_the_callers_to_relay() {
    for bytes in [
        &include_bytes!("fixtures/ffmpeg-5.1.9-publish.rtsp")[..],
        include_bytes!("fixtures/gstreamer-1.22.0-rtspclientsink.rtsp"),
    ] {
        let (steps, _) = converse_in_all_pieces(bytes);
        assert_eq!(steps, player(2, "/live/stream?token=abc"));
    }
}

#[test]
fn curl_is_told_the_methods() {
    let bytes = include_bytes!("fixtures/curl-7.88.1-options.rtsp");
    let (steps, sent) = converse_in_all_pieces(bytes);
    assert_eq!(steps, [Taken::Reply(Status::Ok)]);
    assert_eq!(sent, PUBLIC);
}

/// A stretch of a connection: proper requests, near misses, frames, and junk.
fn stretch() -> impl Strategy<Value = Vec<u8>> {
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
            // Less than 12 bytes: the length fits.
            [&[b'$', 0, 0, payload.len() as u8][..], &payload].concat()
        }),
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (8_000_usize..9_000).prop_map(|length| vec![b'x'; length]),
        1 => Just(b"\r\n".to_vec()),
    ]
}

proptest! {
    #[test]
    fn pieces_do_not_matter_and_nothing_is_kept_beyond_the_limit(
        stretches in prop::collection::vec(stretch(), 0..6),
        sizes in prop::collection::vec(1_usize..600, 1..20),
    ) {
        let bytes = stretches.concat();
        let mut rest = &bytes[..];
        let pieces = sizes.iter().cycle().map_while(|&size| {
            let (piece, after) = rest.split_at_checked(size.min(rest.len()))?;
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(converse(pieces), converse([&bytes[..]]));
    }

    #[test]
    fn no_client_can_add_a_line_to_an_answer(
        target in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let head = [b"DESCRIBE rtsp://h/", &target[..], b" RTSP/1.0\r\nCSeq: 2\r\n\r\n"].concat();
        let (steps, sent) = converse([&head[..]]);
        if let Some(Taken::Open { path_and_query, .. }) = steps.first() {
            prop_assert_eq!(sent, moved(path_and_query));
        }
    }
}
