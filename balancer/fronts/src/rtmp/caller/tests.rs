//! Each kind of client, played from its first byte to its answer or its relay.

use proptest::prelude::*;
use weir_fleet::testing::report;
use weir_fleet::{FleetSettings, Policy, Rules};
use weir_protocol::{Host, Report};

use super::super::amf0::{Reader, Value, Writer};
use super::super::chunk::message_type::{COMMAND_AMF0, WINDOW_ACKNOWLEDGEMENT_SIZE};
use super::super::chunk::{self, write_message};
use super::super::command::tests::payload;
use super::super::connect::Wrapping;
use super::*;
use crate::tests::{CLIENT, front_for};

const FFMPEG: &[u8] = include_bytes!("../fixtures/ffmpeg-5.1-publish.bin");

fn edge() -> Report<'static> {
    let mut report = report();
    report.redirect = Host::new("edge1").ok();
    report
}

/// A front with one edge, and a choice that depends on the stream.
fn by_stream(application: Application) -> Front {
    let rules = Rules { policy: Policy::Hash, ..Rules::default() };
    front_for(&[edge()], application, FleetSettings { rules, ..FleetSettings::default() })
}

fn by_load(application: Application) -> Front {
    front_for(&[edge()], application, FleetSettings::default())
}

const AUTO: Application = Application::DEFAULT;
const WHEN_ASKED: Application =
    Application { mode: Mode::Redirect, redirect_on_connect: false, ..Application::DEFAULT };

/// A handshake, which the story does not have.
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

/// A connect to `live`, of a client that signs itself so.
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

/// How a client ends that sends this after its handshake, the names of the commands that it is answered with, and what
/// it is to be relayed for.
fn ends(front: &Front, said: &[&[u8]]) -> (Progress, Vec<String>, Option<RelaySessions>) {
    let mut caller = Caller::new(front, CLIENT);
    let mut output = Vec::new();
    let bytes = [&handshake(), &said.concat()[..]].concat();
    let progress = caller.advance(&bytes, &mut output);
    (progress, answers(&output).into_iter().map(|answer| answer.0).collect(), caller.into_relayed())
}

/// Name, transaction and all texts of each command among our answers.
fn answers(output: &[u8]) -> Vec<(String, f64, String)> {
    let mut reader = chunk::Reader::new(super::super::Limits::default());
    let mut rest = output.get(HANDSHAKE_LENGTH..).unwrap_or_default();
    let mut answers = Vec::new();
    while let Some(message) = reader.receive(&mut rest).unwrap() {
        let Some((_, values)) = Wrapping::unwrap(&message) else { continue };
        let mut reader = Reader::new(values);
        let (Ok(Value::String(name)), Ok(Value::Number(transaction))) = (reader.value(), reader.value()) else {
            panic!("{values:?}")
        };
        let name = String::from_utf8_lossy(name).into_owned();
        answers.push((name, transaction, String::from_utf8_lossy(values).into_owned()));
    }
    answers
}

fn granted(streams: &[f64]) -> Answered {
    let mut answered = Answered::default();
    answered.connect(1.0);
    for transaction in streams {
        answered.create_stream(*transaction);
    }
    answered
}

#[test]
fn a_client_that_follows_nothing_is_relayed_with_all_that_it_said() {
    let front = by_load(AUTO);
    let mut caller = Caller::new(&front, CLIENT);
    let mut output = Vec::new();
    assert_eq!(caller.advance(FFMPEG, &mut output), Progress::HandOver);
    assert_eq!(output.len(), HANDSHAKE_LENGTH, "only its edge answers its connect");
    let relayed = caller.into_relayed().unwrap();
    assert_eq!(relayed.story.said, FFMPEG[HANDSHAKE_LENGTH..]);
    assert!(relayed.story.answered.is_empty());
    assert_eq!((&relayed.connect.app[..], relayed.path, relayed.promise), ("live/inst", None, None));
}

#[test]
fn what_came_with_the_connect_is_kept_too() {
    let said = [&connect(None)[..], &call("createStream", 2.0, None)[..15]].concat();
    let (progress, _, relayed) = ends(&by_load(AUTO), &[&said]);
    assert_eq!(progress, Progress::HandOver);
    assert_eq!(relayed.unwrap().story.said, said);
}

#[test]
fn another_application_is_in_the_connect_that_the_edge_gets() {
    let renamed = Application { app: Some("edge".to_owned()), ..AUTO };
    let (_, _, relayed) = ends(&by_load(renamed), &[&connect(None)]);
    let said = relayed.unwrap().story.said;
    assert!(said.windows(14).any(|part| part == b"rtmp://lb/edge"), "{}", said.escape_ascii());
}

#[test]
fn where_the_stream_matters_a_publisher_is_accepted_and_relayed_as_soon_as_it_is_named() {
    let first = [connect(None), call("releaseStream", 2.0, Some("camera?key=1"))].concat();
    let more = [call("FCPublish", 3.0, Some("camera")), call("createStream", 4.0, None)].concat();
    let (progress, answers, relayed) = ends(&by_stream(AUTO), &[&first, &more]);
    assert_eq!((progress, answers), (Progress::HandOver, vec!["_result".to_owned()]));
    let relayed = relayed.unwrap();
    assert_eq!(relayed.path.as_deref(), Some("live/camera?key=1"));
    assert_eq!(relayed.story.answered, granted(&[]), "the edge creates the stream");
    assert_eq!(relayed.story.said, [first, more].concat());
}

#[test]
fn where_the_stream_matters_a_player_is_given_a_stream_and_relayed_at_play() {
    let mut housekeeping = Vec::new();
    write_message(&mut housekeeping, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
    let said = [
        connect(None),
        housekeeping,
        call("_checkbw", 2.0, None),
        call("createStream", 3.0, None),
        call("play", 0.0, Some("mp4:camera.mp4")),
    ]
    .concat();
    let (progress, answers, relayed) = ends(&by_stream(AUTO), &[&said]);
    assert_eq!((progress, answers), (Progress::HandOver, vec!["_result".to_owned(); 2]));
    let relayed = relayed.unwrap();
    assert_eq!(relayed.path.as_deref(), Some("live/mp4:camera.mp4"));
    assert_eq!(relayed.story, Story { said, answered: granted(&[3.0]) });
    assert_eq!(relayed.promise, Some(Promise { stream_id: 0, purpose: Purpose::Play }));
}

#[test]
fn a_stream_without_a_readable_name_is_relayed_all_the_same() {
    let said = [connect(None), call("FCSubscribe", 2.0, None), call("play", 0.0, None)].concat();
    let (progress, _, relayed) = ends(&by_stream(AUTO), &[&said]);
    assert_eq!((progress, relayed.unwrap().path), (Progress::HandOver, None));
}

#[test]
fn an_srs_edge_that_plays_is_redirected_to_the_stream() {
    for front in [by_load(AUTO), by_stream(AUTO)] {
        let mut caller = Caller::new(&front, CLIENT);
        let mut output = Vec::new();
        let said = [handshake(), connect(Some("SRS")), call("createStream", 2.0, None)].concat();
        assert_eq!(caller.advance(&said, &mut output), Progress::More);
        let play = call("play", 0.0, Some("camera?token=a"));
        assert_eq!(caller.advance(&play, &mut output), Progress::Last);
        let answers = answers(&output);
        let names: Vec<_> = answers.iter().map(|(name, transaction, _)| (&name[..], *transaction)).collect();
        assert_eq!(names, [("_result", 1.0), ("_result", 2.0), ("onStatus", 0.0), ("close", 0.0)]);
        assert!(answers[2].2.contains("rtmp://edge1/live/camera?token=a"), "{:?}", answers[2]);
        let counted = front.metrics().render();
        let assignments = counted.lines().filter(|line| line.starts_with("weir_assignments_total{protocol=\"rtmp\""));
        assert_eq!(assignments.filter(|line| line.ends_with(" 1")).count(), 1);
    }
}

#[test]
fn an_srs_edge_that_publishes_is_relayed() {
    let said = [connect(Some("SRS")), call("createStream", 2.0, None), call("publish", 3.0, Some("camera"))];
    let (progress, _, relayed) = ends(&by_load(AUTO), &[&said.concat()]);
    assert_eq!((progress, relayed.unwrap().path.as_deref()), (Progress::HandOver, Some("live/camera")));
}

#[test]
fn where_nobody_is_to_be_relayed_an_srs_server_that_publishes_is_not_either() {
    let front = by_load(Application { mode: Mode::Redirect, ..AUTO });
    let said = [connect(Some("SRS")), call("FCPublish", 2.0, Some("camera")), call("publish", 3.0, Some("camera"))];
    let (progress, answers, _) = ends(&front, &[&said.concat()]);
    assert_eq!((progress, &answers[1..]), (Progress::Last, &["onStatus".to_owned(), "close".to_owned()][..]));
}

#[test]
fn a_client_may_ask_for_the_host_and_is_told_as_often_as_it_asks() {
    let front = by_load(WHEN_ASKED);
    let asked = call("getLoadBalancerRedirect", 2.0, None);
    let mut caller = Caller::new(&front, CLIENT);
    let mut output = Vec::new();
    let said = [handshake(), connect(None), call("_checkbw", 5.0, None), asked.clone(), asked].concat();
    assert_eq!(caller.advance(&said, &mut output), Progress::More, "it hangs up when it is done");
    let answers = answers(&output);
    let names: Vec<_> = answers.iter().map(|(name, transaction, _)| (&name[..], *transaction)).collect();
    assert_eq!(names, [("_result", 1.0), ("_error", 5.0), ("_result", 2.0), ("_result", 2.0)]);
    assert!(answers[2].2.ends_with("\u{5}\u{2}\0\u{5}edge1"), "{:?}", answers[2]);
    assert!(front.metrics().render().contains("weir_assignments_total{protocol=\"rtmp\",reason=\"policy\"} 2\n"));

    output.clear();
    caller.time_out(&mut output);
    assert!(output.is_empty(), "it has what it came for");
    assert!(!front.metrics().render().contains("reason=\"timeout\""));
}

#[test]
fn without_an_edge_the_host_is_unknown() {
    let front = front_for(&[], WHEN_ASKED, FleetSettings::default());
    let mut caller = Caller::new(&front, CLIENT);
    let mut output = Vec::new();
    let said = [handshake(), connect(None), call("getLoadBalancerRedirect", 2.0, None)].concat();
    let _ = caller.advance(&said, &mut output);
    assert!(answers(&output)[1].2.ends_with("unknown"));
}

#[test]
fn whoever_wants_a_stream_where_only_the_host_is_told_is_sent_off() {
    let front = by_load(WHEN_ASKED);
    for (last, expected) in [
        (call("createStream", 2.0, None), ["_result", "_error", "close"]),
        (call("play", 0.0, Some("camera")), ["_result", "onStatus", "close"]),
    ] {
        let (progress, answers, _) = ends(&front, &[&connect(None), &last]);
        assert_eq!((progress, &answers[..]), (Progress::Last, &expected.map(str::to_owned)[..]));
    }
}

#[test]
fn a_client_that_never_names_a_stream_is_cut_off() {
    let front = by_stream(AUTO);
    let chatter = call("_checkbw", 2.0, None).repeat(33);
    let (progress, answers, _) = ends(&front, &[&connect(None), &chatter]);
    assert_eq!((progress, &answers[1..]), (Progress::Last, &["onStatus".to_owned(), "close".to_owned()][..]));
    assert!(front.metrics().render().contains("reason=\"too-many-commands\"} 1\n"));
    let mut housekeeping = Vec::new();
    write_message(&mut housekeeping, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
    let (progress, ..) = ends(&front, &[&connect(None), &housekeeping.repeat(8192)]);
    assert_eq!(progress, Progress::More, "128 KiB are allowed");
    let (progress, ..) = ends(&front, &[&connect(None), &housekeeping.repeat(8193)]);
    assert_eq!(progress, Progress::Last);
    assert!(front.metrics().render().contains("reason=\"too-many-bytes\"} 1\n"));

    let mut caller = Caller::new(&front, CLIENT);
    let mut output = Vec::new();
    let _ = caller.advance(&[handshake(), connect(None)].concat(), &mut output);
    caller.time_out(&mut output);
    assert_eq!(super::tests::answers(&output).len(), 3);
    assert!(front.metrics().render().contains("reason=\"timeout\"} 1\n"));
}

proptest! {
    #[test]
    fn any_fragments_end_the_same(
        sizes in proptest::collection::vec(1usize..200, 1..10),
        signature in proptest::option::of(Just("SRS")),
        names in proptest::collection::vec(
            prop_oneof![
                Just("createStream"), Just("releaseStream"), Just("play"), Just("publish"), Just("_checkbw"),
                Just("getLoadBalancerRedirect"),
            ],
            0..5,
        ),
        when_asked: bool,
    ) {
        let front = by_stream(if when_asked { WHEN_ASKED } else { AUTO });
        let mut said = [handshake(), connect(signature)].concat();
        for (index, name) in names.iter().enumerate() {
            said.extend(call(name, index as f64 + 2.0, Some("camera")));
        }
        let mut whole = (Caller::new(&front, CLIENT), Vec::new());
        let progress = whole.0.advance(&said, &mut whole.1);

        let mut pieced = (Caller::new(&front, CLIENT), Vec::new());
        let mut rest = &said[..];
        let mut last = Progress::More;
        for size in sizes.iter().cycle() {
            if rest.is_empty() || last != Progress::More {
                break;
            }
            let (part, after) = rest.split_at(rest.len().min(*size));
            rest = after;
            last = pieced.0.advance(part, &mut pieced.1);
        }
        prop_assert_eq!(last, progress);
        prop_assert_eq!(whole.1, pieced.1);
        let (whole, pieced) = (whole.0.into_relayed(), pieced.0.into_relayed());
        prop_assert_eq!(whole.is_some(), pieced.is_some());
        if let (Some(whole), Some(pieced)) = (whole, pieced) {
            // What has not arrived yet is carried later.
            prop_assert!(whole.story.said.starts_with(&pieced.story.said));
            prop_assert_eq!((whole.path, whole.promise), (pieced.path, pieced.promise));
            prop_assert_eq!(whole.story.answered, pieced.story.answered);
        }
    }
}
