//! One client until it has been redirected, or it is known what it is to be relayed for: the session, and a choice of the
//! edge for those that are told it.

use tracing::debug;
use weir_fleet::{Protocol, Refusal};

use super::answered::Answered;
use super::client::{Kind, Way};
use super::command::{Call, Command, Purpose, Wanted};
use super::handshake::HANDSHAKE_LENGTH;
use super::opening::Story;
use super::rename::rename;
use super::session::{Error, Event};
use super::url::{asked, connect_url, stream_path, stream_url};
use super::{Connect, Redirect, Session, respond, write_rejection};
use crate::conversation::{Conversation, Progress};
use crate::redirect::Assignment;
use crate::settings::{Application, Mode};
use crate::{Client, Front};

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
    RelaySessions(RelaySessions),
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
pub(super) struct RelaySessions {
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
    pub(super) fn into_relayed(self) -> Option<RelaySessions> {
        match self.stage {
            Stage::RelaySessions(relayed) => Some(relayed),
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
            Stage::Unknown | Stage::RelaySessions(_) => Progress::Last,
        }
    }

    /// Answers a client that is told its edge when it asks. One that wants a stream of this server has not understood.
    fn answer_asking(&self, has_asked: bool, command: &Command, output: &mut Vec<u8>) -> (bool, Progress) {
        match &command.call {
            Call::LoadBalancerRedirect => {
                // What a client asks for later, and where, is not known here.
                let destination = self.front.choose(self.client, Protocol::Rtmp, Some(Protocol::Rtmp), None);
                let host = destination.as_ref().map_or(UNKNOWN, Assignment::host);
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
        self.stage = Stage::RelaySessions(RelaySessions { story, connect, path, promise });
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

    fn choose(&self, connect: &Connect, path: Option<&str>) -> Result<Assignment, Refusal> {
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
    const PROTOCOL: Protocol = Protocol::Rtmp;

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
mod tests;
