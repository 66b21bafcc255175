//! One client until it has been redirected, or it is known what it is to be relayed for: the session, and a choice of the
//! edge for those that are told it.

use tracing::debug;

use super::answered::Answered;
use super::client::{Kind, Way};
use super::command::{Call, Command, Purpose, Wanted};
use super::handshake::HANDSHAKE_LENGTH;
use super::opening::Story;
use super::rename::rename;
use super::session::{Error, Event};
use super::url::{asked, connect_url, stream_path, stream_url};
use super::{Connect, Redirect, Session, respond, write_rejection};
use crate::config::{Application, Mode};
use crate::fleet::{Protocol, Refusal};
use crate::fronts::conversation::{Conversation, Progress};
use crate::fronts::redirect::Destination;
use crate::fronts::{Client, Front};

/// What a client is told that has an edge, and one that has none.
const REDIRECTED: &str = "Redirected to the least loaded server.";
pub(super) const NO_SERVER: &str = "No server is available now.";

/// Wowza's word for no edge, in place of a host.
const UNKNOWN: &str = "unknown";

/// A client, and how far it has come.
pub(super) struct Caller<'f> {
    front: &'f Front,
    client: Client,
    session: Session,
    stage: Stage,
    /// Bytes of the client's handshake that are still to come: it is not part of the story.
    handshake: usize,
    story: Story,
}

enum Stage {
    /// Nothing is known of it yet.
    Unknown,
    /// Its connect was accepted; it is told an edge's host when it asks.
    Asking {
        /// Whether it has asked.
        has_asked: bool,
    },
    /// Its connect was accepted; it is sent to its edge when it has named a stream.
    Naming { connect: Box<Connect>, redirects: Redirects },
    /// It is to be relayed.
    Relayed(Relayed),
}

/// Who is redirected of those that have named a stream. The others are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Redirects {
    Nobody,
    Players,
    Everybody,
}

/// What a client is to be relayed for.
#[derive(Debug, PartialEq)]
pub(super) struct Relayed {
    /// What its edge is to be told.
    pub(super) story: Story,
    /// Who it is and where it wanted to go.
    pub(super) connect: Box<Connect>,
    /// The path of its stream, if that is known.
    pub(super) path: Option<String>,
    /// What it was promised, if its connect was accepted.
    pub(super) promise: Option<Promise>,
}

/// The stream on which a client waits that was accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Promise {
    pub(super) stream_id: u32,
    pub(super) purpose: Purpose,
}

impl<'f> Caller<'f> {
    pub(super) fn new(front: &'f Front, client: Client) -> Self {
        let session = Session::new(front.limits().rtmp);
        Self {
            front,
            client,
            session,
            stage: Stage::Unknown,
            handshake: HANDSHAKE_LENGTH,
            story: Story { said: Vec::new(), answered: Answered::default() },
        }
    }

    /// What the client is to be relayed for, if it is.
    pub(super) fn into_relayed(self) -> Option<Relayed> {
        match self.stage {
            Stage::Relayed(relayed) => Some(relayed),
            _ => None,
        }
    }

    /// Keeps what the client says for its edge.
    fn keep(&mut self, input: &[u8]) {
        let (handshake, said) = input.split_at(input.len().min(self.handshake));
        self.handshake -= handshake.len();
        if !matches!(self.stage, Stage::Asking { .. }) {
            self.story.said.extend_from_slice(said);
        }
    }

    fn application(&self, connect: &Connect) -> &'f Application {
        self.front.application(Protocol::Rtmp, &connect.app)
    }

    fn decide(&mut self, connect: Connect, output: &mut Vec<u8>) -> Progress {
        let application = self.application(&connect);
        let way = Way::of(Kind::of(&connect), application);
        let app = connect.app.escape_debug();
        debug!(client = %self.client.address, %app, flash_version = ?connect.flash_version, ?way, "rtmp connect");
        match way {
            Way::Redirect => {
                self.redirect(&connect, output);
                Progress::Last
            }
            Way::RedirectWhenAsked => {
                self.accept(&connect, output);
                self.story = Story::default();
                self.stage = Stage::Asking { has_asked: false };
                Progress::More
            }
            Way::RedirectAtPlay | Way::Relay => {
                let renamed =
                    self.session.chunks().map(|chunks| rename(&mut self.story.said, chunks, &connect, application));
                if let Some(Err(error)) = renamed {
                    self.front.metrics().reject_client(Protocol::Rtmp.name(), "bad-connect");
                    debug!(client = %self.client.address, %error, "rtmp");
                    write_rejection(output, connect.transaction, &error.to_string(), None);
                    return Progress::Last;
                }
                let redirects = match (way, application.mode) {
                    (Way::RedirectAtPlay, Mode::Redirect) => Redirects::Everybody,
                    (Way::RedirectAtPlay, _) => Redirects::Players,
                    _ => Redirects::Nobody,
                };
                // Without a stream there is no telling whose edge has it; where that does not matter, no time is lost.
                if redirects == Redirects::Nobody && !self.front.needs_streams() {
                    return self.relay(Box::new(connect), None, None);
                }
                self.accept(&connect, output);
                self.stage = Stage::Naming { connect: Box::new(connect), redirects };
                Progress::More
            }
        }
    }

    fn accept(&mut self, connect: &Connect, output: &mut Vec<u8>) {
        respond::accept(output, connect);
        self.story.answered.connect(connect.transaction);
        self.session.accept();
    }

    fn obey(&mut self, command: &Command, output: &mut Vec<u8>) -> Progress {
        match std::mem::replace(&mut self.stage, Stage::Unknown) {
            Stage::Asking { has_asked } => {
                let (has_asked, progress) = self.answer_asking(has_asked, command, output);
                self.stage = Stage::Asking { has_asked };
                progress
            }
            Stage::Naming { connect, redirects } => match &command.call {
                Call::Stream(wanted) if wanted.begins || wanted.name.is_some() => {
                    self.go(connect, redirects, command, wanted, output)
                }
                call => {
                    if *call == Call::CreateStream {
                        let stream_id = self.story.answered.create_stream(command.transaction);
                        respond::stream_created(output, command, stream_id);
                    }
                    self.stage = Stage::Naming { connect, redirects };
                    Progress::More
                }
            },
            // Commands are read only after a connect was accepted.
            Stage::Unknown | Stage::Relayed(_) => Progress::Last,
        }
    }

    /// Answers a client that is told its edge when it asks. One that wants a stream of this server has not understood.
    fn answer_asking(&self, has_asked: bool, command: &Command, output: &mut Vec<u8>) -> (bool, Progress) {
        match &command.call {
            Call::LoadBalancerRedirect => {
                // What a client asks for later, and where, is not known here.
                let destination = self.front.choose(self.client, Protocol::Rtmp, Some(Protocol::Rtmp), None);
                let host = destination.as_ref().map_or(UNKNOWN, Destination::host);
                respond::host(output, command, host);
                (true, Progress::More)
            }
            Call::CreateStream => {
                respond::call_failed(output, command);
                super::reject::write_close(output);
                (has_asked, Progress::Last)
            }
            Call::Stream(Wanted { purpose, begins: true, .. }) => {
                respond::stream_failed(output, command.stream_id, *purpose, "This server only says where to go.");
                (has_asked, Progress::Last)
            }
            Call::Stream(_) | Call::Other => {
                respond::call_failed(output, command);
                (has_asked, Progress::More)
            }
        }
    }

    /// The client has named its stream, or will not.
    fn go(
        &mut self,
        connect: Box<Connect>,
        redirects: Redirects,
        command: &Command,
        wanted: &Wanted,
        output: &mut Vec<u8>,
    ) -> Progress {
        let is_redirected = match redirects {
            Redirects::Nobody => false,
            Redirects::Players => wanted.purpose == Purpose::Play,
            Redirects::Everybody => true,
        };
        if is_redirected {
            if wanted.begins {
                self.redirect_at_play(&connect, command, wanted.name.as_deref(), output);
                return Progress::Last;
            }
            self.stage = Stage::Naming { connect, redirects };
            return Progress::More;
        }
        let promise = Promise { stream_id: command.stream_id, purpose: wanted.purpose };
        self.relay(connect, wanted.name.as_deref(), Some(promise))
    }

    fn relay(&mut self, connect: Box<Connect>, stream: Option<&str>, promise: Option<Promise>) -> Progress {
        let path = stream.map(|name| stream_path(&connect, name));
        let story = std::mem::take(&mut self.story);
        self.stage = Stage::Relayed(Relayed { story, connect, path, promise });
        Progress::HandOver
    }

    /// Rejects a connect: with the address of an edge, or, when there is none, without.
    fn redirect(&self, connect: &Connect, output: &mut Vec<u8>) {
        // A connect names an application and no stream: that comes with play or publish, when it is too late.
        match self.choose(connect, None) {
            Ok(destination) => {
                let url = connect_url(&destination, self.client, connect, self.application(connect));
                debug!(client = %self.client.address, %url, "rtmp redirect");
                let redirect = Redirect { connect_url: &url, stream_url: None };
                write_rejection(output, connect.transaction, REDIRECTED, Some(redirect));
            }
            Err(_) => write_rejection(output, connect.transaction, NO_SERVER, None),
        }
    }

    /// The same at play, when the stream is known.
    fn redirect_at_play(&self, connect: &Connect, command: &Command, name: Option<&str>, output: &mut Vec<u8>) {
        let path = name.map(|name| stream_path(connect, name));
        match self.choose(connect, path.as_deref()) {
            Ok(destination) => {
                let application = self.application(connect);
                let url = connect_url(&destination, self.client, connect, application);
                let stream = name.map(|name| stream_url(&destination, self.client, connect, application, name));
                debug!(client = %self.client.address, %url, ?stream, "rtmp redirect at play");
                let redirect = Redirect { connect_url: &url, stream_url: stream.as_deref() };
                respond::redirect_at_play(output, command, REDIRECTED, Some(redirect));
            }
            Err(_) => respond::redirect_at_play(output, command, NO_SERVER, None),
        }
    }

    fn choose(&self, connect: &Connect, path: Option<&str>) -> Result<Destination, Refusal> {
        let (asked, application) = (asked(self.client, connect), self.application(connect));
        self.front.choose_elsewhere(self.client, Protocol::Rtmp, path, asked, application)
    }

    fn refuse(&mut self, error: Error, output: &mut Vec<u8>) {
        self.front.metrics().reject_client(Protocol::Rtmp.name(), error.reason());
        debug!(client = %self.client.address, %error, "rtmp");
        match self.stage {
            Stage::Unknown => error.write_refusal(output),
            _ => respond::stream_failed(output, 0, Purpose::Play, &error.to_string()),
        }
    }
}

impl Conversation for Caller<'_> {
    fn advance(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Progress {
        self.keep(input);
        loop {
            let progress = match self.session.receive(&mut input, output) {
                Ok(None) => return Progress::More,
                Ok(Some(Event::Connect(connect))) => self.decide(connect, output),
                Ok(Some(Event::Command(command))) => self.obey(&command, output),
                Err(error) => {
                    self.refuse(error, output);
                    Progress::Last
                }
            };
            if progress != Progress::More {
                return progress;
            }
        }
    }

    fn time_out(&mut self, output: &mut Vec<u8>) {
        match self.stage {
            // It has what it came for.
            Stage::Asking { has_asked: true } => return,
            // A client that has not connected yet has no message to be told anything with.
            Stage::Unknown => {}
            _ => respond::stream_failed(output, 0, Purpose::Play, "No stream was named in time."),
        }
        self.front.metrics().reject_client(Protocol::Rtmp.name(), "timeout");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_protocol::{Host, Report};

    use super::super::amf0::{Reader, Value, Writer};
    use super::super::chunk::message_type::{COMMAND_AMF0, WINDOW_ACKNOWLEDGEMENT_SIZE};
    use super::super::chunk::{self, write_message};
    use super::super::command::tests::payload;
    use super::super::connect::Wrapping;
    use super::*;
    use crate::fleet::tests::report;
    use crate::fleet::{Policy, Rules, Terms};
    use crate::fronts::tests::{CLIENT, front_for};

    const FFMPEG: &[u8] = include_bytes!("fixtures/ffmpeg-5.1-publish.bin");

    fn edge() -> Report<'static> {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        report
    }

    /// A front with one edge, and a choice that depends on the stream.
    fn by_stream(application: Application) -> Front {
        let rules = Rules { policy: Policy::Hash, ..Rules::default() };
        front_for(&[edge()], application, Terms { rules, ..Terms::default() })
    }

    fn by_load(application: Application) -> Front {
        front_for(&[edge()], application, Terms::default())
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
    fn ends(front: &Front, said: &[&[u8]]) -> (Progress, Vec<String>, Option<Relayed>) {
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
            let hand_outs = counted.lines().filter(|line| line.starts_with("weir_handouts_total{protocol=\"rtmp\""));
            assert_eq!(hand_outs.filter(|line| line.ends_with(" 1")).count(), 1);
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
        assert!(front.metrics().render().contains("weir_handouts_total{protocol=\"rtmp\",reason=\"policy\"} 2\n"));

        output.clear();
        caller.time_out(&mut output);
        assert!(output.is_empty(), "it has what it came for");
        assert!(!front.metrics().render().contains("reason=\"timeout\""));
    }

    #[test]
    fn without_an_edge_the_host_is_unknown() {
        let front = front_for(&[], WHEN_ASKED, Terms::default());
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
}
