//! Each kind of client, from its first byte until it is redirected, relayed or rejected.

use proptest::prelude::*;
use weir_fleet::testing::report;
use weir_fleet::{FleetSettings, Policy, Rules};
use weir_protocol::{Host, Report};

use super::super::amf0::{Reader, Value, Writer};
use super::super::chunk::message_type::{COMMAND_AMF0, WINDOW_ACKNOWLEDGEMENT_SIZE};
use super::super::chunk::{self, write_message};
use super::super::command::tests::payload;
use super::super::encoding::CommandEncoding;
use super::super::limits::Limits;
use super::super::transcript::AnsweredTransactions;
use super::*;
use crate::fixtures::{CLIENT, front_for};

const FFMPEG: &[u8] = include_bytes!("../fixtures/ffmpeg-5.1-publish.bin");

fn edge() -> Report<'static> {
    let mut report = report();
    report.redirect = Host::new("edge1").ok();
    report
}

/// A front with one edge, whose assignments depend on the stream.
fn by_stream(application: Application) -> Front {
    let rules = Rules { policy: Policy::Hash, ..Rules::default() };
    front_for(&[edge()], application, FleetSettings { rules, ..FleetSettings::default() })
}

fn by_load(application: Application) -> Front {
    front_for(&[edge()], application, FleetSettings::default())
}

const AUTO: Application = Application::DEFAULT;
const ON_REQUEST: Application =
    Application { mode: Mode::Redirect, redirect_on_connect: false, ..Application::DEFAULT };

/// A handshake, which is not part of the transcript.
fn handshake() -> Vec<u8> {
    let mut bytes = vec![0; HANDSHAKE_LENGTH];
    bytes[0] = 3;
    bytes
}

fn command(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_message(&mut bytes, 3, COMMAND_AMF0, 0, payload);
    bytes
}

fn call(name: &str, transaction: f64, argument: Option<&str>) -> Vec<u8> {
    command(&payload(name, transaction, argument))
}

/// A connect to `live`, with this `srs_sig`.
fn connect(srs_signature: Option<&str>) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut writer = Writer::new(&mut payload);
    writer.string("connect").number(1.0).object(|object| {
        object.name("app").string("live").name("tcUrl").string("rtmp://lb/live");
    });
    if let Some(signature) = srs_signature {
        writer.object(|object| {
            object.name("srs_sig").string(signature);
        });
    }
    command(&payload)
}

/// Dispatches a client that sends `sent` after its handshake. Returns the progress, the names of the commands that it
/// receives, and its pending relay.
fn dispatch(front: &Front, sent: &[&[u8]]) -> (Progress, Vec<String>, Option<PendingRelay>) {
    let mut dispatcher = Dispatcher::new(front, CLIENT);
    let mut output = Vec::new();
    let bytes = [&handshake(), &sent.concat()[..]].concat();
    let progress = dispatcher.advance(&bytes, &mut output);
    let names = responses(&output).into_iter().map(|response| response.0).collect();
    (progress, names, dispatcher.into_pending_relay())
}

/// The name, the transaction ID and the text of each command in the balancer's output.
fn responses(output: &[u8]) -> Vec<(String, f64, String)> {
    let mut reader = chunk::Reader::new(Limits::default());
    let mut rest = output.get(HANDSHAKE_LENGTH..).unwrap_or_default();
    let mut responses = Vec::new();
    while let Some(message) = reader.receive(&mut rest).unwrap() {
        let Some((_, values)) = CommandEncoding::split(&message) else { continue };
        let mut reader = Reader::new(values);
        let (Ok(Value::String(name)), Ok(Value::Number(transaction))) = (reader.value(), reader.value()) else {
            panic!("{values:?}")
        };
        let name = String::from_utf8_lossy(name).into_owned();
        responses.push((name, transaction, String::from_utf8_lossy(values).into_owned()));
    }
    responses
}

fn accepted(streams: &[f64]) -> AnsweredTransactions {
    let mut answered = AnsweredTransactions::default();
    answered.record_connect(1.0);
    for transaction in streams {
        answered.record_create_stream(*transaction);
    }
    answered
}

#[test]
fn a_client_that_follows_no_redirect_is_relayed_with_everything_it_has_sent() {
    let front = by_load(AUTO);
    let mut dispatcher = Dispatcher::new(&front, CLIENT);
    let mut output = Vec::new();
    assert_eq!(dispatcher.advance(FFMPEG, &mut output), Progress::HandOver);
    assert_eq!(output.len(), HANDSHAKE_LENGTH, "the connect is left to the edge");
    let pending = dispatcher.into_pending_relay().unwrap();
    assert_eq!(pending.transcript.received, FFMPEG[HANDSHAKE_LENGTH..]);
    assert!(pending.transcript.answered.is_empty());
    assert_eq!((&pending.connect.app[..], pending.path, pending.pending_call), ("live/inst", None, None));
}

#[test]
fn bytes_that_arrive_with_the_connect_are_kept() {
    let sent = [&connect(None)[..], &call("createStream", 2.0, None)[..15]].concat();
    let (progress, _, pending) = dispatch(&by_load(AUTO), &[&sent]);
    assert_eq!(progress, Progress::HandOver);
    assert_eq!(pending.unwrap().transcript.received, sent);
}

#[test]
fn the_edge_receives_the_configured_application() {
    let renamed = Application { app: Some("edge".to_owned()), ..AUTO };
    let (_, _, pending) = dispatch(&by_load(renamed), &[&connect(None)]);
    let received = pending.unwrap().transcript.received;
    assert!(received.windows(14).any(|part| part == b"rtmp://lb/edge"), "{}", received.escape_ascii());
}

#[test]
fn with_stream_affinity_a_publisher_is_relayed_once_it_has_named_its_stream() {
    let first = [connect(None), call("releaseStream", 2.0, Some("camera?key=1"))].concat();
    let more = [call("FCPublish", 3.0, Some("camera")), call("createStream", 4.0, None)].concat();
    let (progress, responses, pending) = dispatch(&by_stream(AUTO), &[&first, &more]);
    assert_eq!((progress, responses), (Progress::HandOver, vec!["_result".to_owned()]));
    let pending = pending.unwrap();
    assert_eq!(pending.path.as_deref(), Some("live/camera?key=1"));
    assert_eq!(pending.transcript.answered, accepted(&[]), "the edge creates the stream");
    assert_eq!(pending.transcript.received, [first, more].concat());
}

#[test]
fn with_stream_affinity_a_player_gets_a_stream_id_and_is_relayed_at_play() {
    let mut control = Vec::new();
    write_message(&mut control, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
    let received = [
        connect(None),
        control,
        call("_checkbw", 2.0, None),
        call("createStream", 3.0, None),
        call("play", 0.0, Some("mp4:camera.mp4")),
    ]
    .concat();
    let (progress, responses, pending) = dispatch(&by_stream(AUTO), &[&received]);
    assert_eq!((progress, responses), (Progress::HandOver, vec!["_result".to_owned(); 2]));
    let pending = pending.unwrap();
    assert_eq!(pending.path.as_deref(), Some("live/mp4:camera.mp4"));
    assert_eq!(pending.transcript, Transcript { received, answered: accepted(&[3.0]) });
    assert_eq!(pending.pending_call, Some(PendingCall { stream_id: 0, purpose: Purpose::Play }));
}

#[test]
fn a_stream_without_a_valid_name_is_relayed() {
    let sent = [connect(None), call("FCSubscribe", 2.0, None), call("play", 0.0, None)].concat();
    let (progress, _, pending) = dispatch(&by_stream(AUTO), &[&sent]);
    assert_eq!((progress, pending.unwrap().path), (Progress::HandOver, None));
}

#[test]
fn an_srs_edge_that_plays_is_redirected_to_the_stream() {
    for front in [by_load(AUTO), by_stream(AUTO)] {
        let mut dispatcher = Dispatcher::new(&front, CLIENT);
        let mut output = Vec::new();
        let sent = [handshake(), connect(Some("SRS")), call("createStream", 2.0, None)].concat();
        assert_eq!(dispatcher.advance(&sent, &mut output), Progress::More);
        let play = call("play", 0.0, Some("camera?token=a"));
        assert_eq!(dispatcher.advance(&play, &mut output), Progress::Last);
        let responses = responses(&output);
        let names: Vec<_> = responses.iter().map(|(name, transaction, _)| (&name[..], *transaction)).collect();
        assert_eq!(names, [("_result", 1.0), ("_result", 2.0), ("onStatus", 0.0), ("close", 0.0)]);
        assert!(responses[2].2.contains("rtmp://edge1/live/camera?token=a"), "{:?}", responses[2]);
        let counted = front.metrics().render();
        let assignments = counted.lines().filter(|line| line.starts_with("weir_assignments_total{protocol=\"rtmp\""));
        assert_eq!(assignments.filter(|line| line.ends_with(" 1")).count(), 1);
    }
}

#[test]
fn an_srs_edge_that_publishes_is_relayed() {
    let sent = [connect(Some("SRS")), call("createStream", 2.0, None), call("publish", 3.0, Some("camera"))];
    let (progress, _, pending) = dispatch(&by_load(AUTO), &[&sent.concat()]);
    assert_eq!((progress, pending.unwrap().path.as_deref()), (Progress::HandOver, Some("live/camera")));
}

#[test]
fn in_redirect_mode_an_srs_server_that_publishes_is_not_relayed() {
    let front = by_load(Application { mode: Mode::Redirect, ..AUTO });
    let sent = [connect(Some("SRS")), call("FCPublish", 2.0, Some("camera")), call("publish", 3.0, Some("camera"))];
    let (progress, responses, _) = dispatch(&front, &[&sent.concat()]);
    assert_eq!((progress, &responses[1..]), (Progress::Last, &["onStatus".to_owned(), "close".to_owned()][..]));
}

#[test]
fn every_request_for_the_host_of_an_edge_is_answered() {
    let front = by_load(ON_REQUEST);
    let request = call("getLoadBalancerRedirect", 2.0, None);
    let mut dispatcher = Dispatcher::new(&front, CLIENT);
    let mut output = Vec::new();
    let sent = [handshake(), connect(None), call("_checkbw", 5.0, None), request.clone(), request].concat();
    assert_eq!(dispatcher.advance(&sent, &mut output), Progress::More, "the client closes the connection");
    let responses = responses(&output);
    let names: Vec<_> = responses.iter().map(|(name, transaction, _)| (&name[..], *transaction)).collect();
    assert_eq!(names, [("_result", 1.0), ("_error", 5.0), ("_result", 2.0), ("_result", 2.0)]);
    assert!(responses[2].2.ends_with("\u{5}\u{2}\0\u{5}edge1"), "{:?}", responses[2]);
    assert!(front.metrics().render().contains("weir_assignments_total{protocol=\"rtmp\",reason=\"policy\"} 2\n"));

    output.clear();
    dispatcher.time_out(&mut output);
    assert!(output.is_empty(), "the client has been redirected");
    assert!(!front.metrics().render().contains("reason=\"timeout\""));
}

#[test]
fn without_an_edge_the_host_is_unknown() {
    let front = front_for(&[], ON_REQUEST, FleetSettings::default());
    let mut dispatcher = Dispatcher::new(&front, CLIENT);
    let mut output = Vec::new();
    let sent = [handshake(), connect(None), call("getLoadBalancerRedirect", 2.0, None)].concat();
    let _ = dispatcher.advance(&sent, &mut output);
    assert!(responses(&output)[1].2.ends_with("unknown"));
}

#[test]
fn without_redirect_on_connect_a_client_that_requests_a_stream_is_rejected() {
    let front = by_load(ON_REQUEST);
    for (last, expected) in [
        (call("createStream", 2.0, None), ["_result", "_error", "close"]),
        (call("play", 0.0, Some("camera")), ["_result", "onStatus", "close"]),
    ] {
        let (progress, responses, _) = dispatch(&front, &[&connect(None), &last]);
        assert_eq!((progress, &responses[..]), (Progress::Last, &expected.map(str::to_owned)[..]));
    }
}

#[test]
fn a_client_that_never_names_a_stream_is_rejected() {
    let front = by_stream(AUTO);
    let chatter = call("_checkbw", 2.0, None).repeat(33);
    let (progress, responses, _) = dispatch(&front, &[&connect(None), &chatter]);
    assert_eq!((progress, &responses[1..]), (Progress::Last, &["onStatus".to_owned(), "close".to_owned()][..]));
    assert!(front.metrics().render().contains("reason=\"too-many-commands\"} 1\n"));
    let mut control = Vec::new();
    write_message(&mut control, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
    let (progress, ..) = dispatch(&front, &[&connect(None), &control.repeat(8192)]);
    assert_eq!(progress, Progress::More, "128 KiB are allowed");
    let (progress, ..) = dispatch(&front, &[&connect(None), &control.repeat(8193)]);
    assert_eq!(progress, Progress::Last);
    assert!(front.metrics().render().contains("reason=\"too-many-bytes\"} 1\n"));

    let mut dispatcher = Dispatcher::new(&front, CLIENT);
    let mut output = Vec::new();
    let _ = dispatcher.advance(&[handshake(), connect(None)].concat(), &mut output);
    dispatcher.time_out(&mut output);
    assert_eq!(super::tests::responses(&output).len(), 3);
    assert!(front.metrics().render().contains("reason=\"timeout\"} 1\n"));
}

proptest! {
    #[test]
    fn the_result_does_not_depend_on_the_fragments(
        sizes in proptest::collection::vec(1usize..200, 1..10),
        signature in proptest::option::of(Just("SRS")),
        names in proptest::collection::vec(
            prop_oneof![
                Just("createStream"), Just("releaseStream"), Just("play"), Just("publish"), Just("_checkbw"),
                Just("getLoadBalancerRedirect"),
            ],
            0..5,
        ),
        on_request: bool,
    ) {
        let front = by_stream(if on_request { ON_REQUEST } else { AUTO });
        let mut sent = [handshake(), connect(signature)].concat();
        for (index, name) in names.iter().enumerate() {
            sent.extend(call(name, index as f64 + 2.0, Some("camera")));
        }
        let mut whole = (Dispatcher::new(&front, CLIENT), Vec::new());
        let progress = whole.0.advance(&sent, &mut whole.1);

        let mut fragmented = (Dispatcher::new(&front, CLIENT), Vec::new());
        let mut rest = &sent[..];
        let mut last = Progress::More;
        for size in sizes.iter().cycle() {
            if rest.is_empty() || last != Progress::More {
                break;
            }
            let (part, after) = rest.split_at(rest.len().min(*size));
            rest = after;
            last = fragmented.0.advance(part, &mut fragmented.1);
        }
        prop_assert_eq!(last, progress);
        prop_assert_eq!(whole.1, fragmented.1);
        let (whole, fragmented) = (whole.0.into_pending_relay(), fragmented.0.into_pending_relay());
        prop_assert_eq!(whole.is_some(), fragmented.is_some());
        if let (Some(whole), Some(fragmented)) = (whole, fragmented) {
            // Bytes that have not arrived yet are relayed later.
            prop_assert!(whole.transcript.received.starts_with(&fragmented.transcript.received));
            prop_assert_eq!((whole.path, whole.pending_call), (fragmented.path, fragmented.pending_call));
            prop_assert_eq!(whole.transcript.answered, fragmented.transcript.answered);
        }
    }
}
