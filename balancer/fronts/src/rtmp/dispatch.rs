//! Follows one client until it is redirected, relayed or rejected.

use tracing::debug;
use weir_fleet::{Protocol, Refusal};

use super::client::{ClientKind, ForwardingMethod};
use super::command::{Call, Command, Purpose, StreamCall};
use super::connect::Connect;
use super::edge_url::{connect_url, requested_url, stream_path, stream_url};
use super::handshake::HANDSHAKE_LENGTH;
use super::rejection::{self, Redirect, write_rejection};
use super::response;
use super::rewrite::rewrite_app;
use super::session::{Error, Event, Session};
use super::transcript::Transcript;
use crate::client::Client;
use crate::exchange::{Exchange, Progress};
use crate::front::Front;
use crate::redirect::Assignment;
use crate::settings::{Application, Mode};

/// The description in a redirect.
const REDIRECTED: &str = "Redirected to the least loaded server.";

/// The description in a rejection for want of an edge.
pub(super) const NO_SERVER: &str = "No server is available now.";

/// The host in the response to `getLoadBalancerRedirect` if there is no edge, as in Wowza's.
const UNKNOWN_HOST: &str = "unknown";

/// A client, from its first byte until it is forwarded.
pub(super) struct Dispatcher<'f> {
    front: &'f Front,
    client: Client,
    session: Session,
    stage: Stage,
    /// The number of bytes that the client's handshake still lacks. They are not part of the transcript.
    handshake: usize,
    transcript: Transcript,
}

enum Stage {
    /// The connect has not been decided.
    AwaitingConnect,
    /// The connect was accepted. The client is redirected if it requests the host of an edge.
    AwaitingRequest {
        /// Whether it has requested one.
        has_requested: bool,
    },
    /// The connect was accepted. The client is forwarded once it has named a stream.
    AwaitingStream { connect: Box<Connect>, redirects: Redirects },
    /// The client has to be relayed.
    Relay(PendingRelay),
}

/// The clients that are redirected once they have named a stream. The others are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Redirects {
    None,
    Players,
    All,
}

/// A client that has to be relayed.
#[derive(Debug, PartialEq)]
pub(super) struct PendingRelay {
    /// The bytes to replay to its edge, and the transactions that have been answered.
    pub(super) transcript: Transcript,
    pub(super) connect: Box<Connect>,
    /// The path of its stream, if known.
    pub(super) path: Option<String>,
    /// The call that the client waits on, if its connect was accepted.
    pub(super) pending_call: Option<PendingCall>,
}

/// A call for a stream that waits for its response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PendingCall {
    pub(super) stream_id: u32,
    pub(super) purpose: Purpose,
}

impl<'f> Dispatcher<'f> {
    pub(super) fn new(front: &'f Front, client: Client) -> Self {
        Self {
            front,
            client,
            session: Session::new(front.limits().rtmp),
            stage: Stage::AwaitingConnect,
            handshake: HANDSHAKE_LENGTH,
            transcript: Transcript::default(),
        }
    }

    /// Returns the client as a pending relay, if it has to be relayed.
    pub(super) fn into_pending_relay(self) -> Option<PendingRelay> {
        match self.stage {
            Stage::Relay(pending) => Some(pending),
            _ => None,
        }
    }

    /// Records the client's bytes for its edge.
    fn record(&mut self, input: &[u8]) {
        let (handshake, received) = input.split_at(input.len().min(self.handshake));
        self.handshake -= handshake.len();
        if !matches!(self.stage, Stage::AwaitingRequest { .. }) {
            self.transcript.received.extend_from_slice(received);
        }
    }

    fn application(&self, connect: &Connect) -> &'f Application {
        self.front.application(Protocol::Rtmp, &connect.app)
    }

    fn on_connect(&mut self, connect: Connect, output: &mut Vec<u8>) -> Progress {
        let application = self.application(&connect);
        let method = ForwardingMethod::of(ClientKind::of(&connect), application);
        let app = connect.app.escape_debug();
        let flash_version = connect.flash_version.as_deref();
        debug!(client = %self.client.address, %app, flash_version, method = method.name(), "RTMP connect received");
        match method {
            ForwardingMethod::Redirect => {
                self.redirect(&connect, output);
                Progress::Last
            }
            ForwardingMethod::RedirectOnRequest => {
                self.accept(&connect, output);
                self.transcript = Transcript::default();
                self.stage = Stage::AwaitingRequest { has_requested: false };
                Progress::More
            }
            ForwardingMethod::RedirectAtPlay | ForwardingMethod::Relay => {
                let received = &mut self.transcript.received;
                let rewritten =
                    self.session.chunks().map(|chunks| rewrite_app(received, chunks, &connect, application));
                if let Some(Err(error)) = rewritten {
                    self.front.metrics().reject_client(Protocol::Rtmp.name(), "bad-connect");
                    debug!(client = %self.client.address, %error, "RTMP client rejected");
                    write_rejection(output, connect.transaction, &error.to_string(), None);
                    return Progress::Last;
                }
                let redirects = match (method, application.mode) {
                    (ForwardingMethod::RedirectAtPlay, Mode::Redirect) => Redirects::All,
                    (ForwardingMethod::RedirectAtPlay, _) => Redirects::Players,
                    _ => Redirects::None,
                };
                // If the assignment depends on the stream, the client has to name it first. If not, no time is lost.
                if redirects == Redirects::None && !self.front.needs_streams() {
                    return self.relay(Box::new(connect), None, None);
                }
                self.accept(&connect, output);
                self.stage = Stage::AwaitingStream { connect: Box::new(connect), redirects };
                Progress::More
            }
        }
    }

    fn accept(&mut self, connect: &Connect, output: &mut Vec<u8>) {
        response::connect_accepted(output, connect);
        self.transcript.answered.record_connect(connect.transaction);
        self.session.accept();
    }

    fn on_command(&mut self, command: &Command, output: &mut Vec<u8>) -> Progress {
        match std::mem::replace(&mut self.stage, Stage::AwaitingConnect) {
            Stage::AwaitingRequest { has_requested } => {
                let (has_requested, progress) = self.redirect_on_request(has_requested, command, output);
                self.stage = Stage::AwaitingRequest { has_requested };
                progress
            }
            Stage::AwaitingStream { connect, redirects } => match &command.call {
                Call::Stream(call) if call.starts || call.name.is_some() => {
                    self.on_stream(connect, redirects, command, call, output)
                }
                call => {
                    if *call == Call::CreateStream {
                        let stream_id = self.transcript.answered.record_create_stream(command.transaction);
                        response::stream_created(output, command, stream_id);
                    }
                    self.stage = Stage::AwaitingStream { connect, redirects };
                    Progress::More
                }
            },
            // Commands are read only after a connect was accepted.
            Stage::AwaitingConnect | Stage::Relay(_) => Progress::Last,
        }
    }

    /// Responds to a client that is redirected on request. A client that requests a stream of this server instead does
    /// not support that, and is rejected.
    fn redirect_on_request(&self, has_requested: bool, command: &Command, output: &mut Vec<u8>) -> (bool, Progress) {
        match &command.call {
            Call::LoadBalancerRedirect => {
                // The stream that the client will request, and the URL, are not known.
                let assignment = self.front.assign(self.client, Protocol::Rtmp, Some(Protocol::Rtmp), None);
                let host = assignment.as_ref().map_or(UNKNOWN_HOST, Assignment::host);
                response::load_balancer_redirect(output, command, host);
                (true, Progress::More)
            }
            Call::CreateStream => {
                response::call_failed(output, command);
                rejection::write_close(output);
                (has_requested, Progress::Last)
            }
            Call::Stream(StreamCall { purpose, starts: true, .. }) => {
                response::stream_failed(output, command.stream_id, *purpose, "This server only says where to go.");
                (has_requested, Progress::Last)
            }
            Call::Stream(_) | Call::Other => {
                response::call_failed(output, command);
                (has_requested, Progress::More)
            }
        }
    }

    /// Forwards the client, which has named its stream or started one without a valid name.
    fn on_stream(
        &mut self,
        connect: Box<Connect>,
        redirects: Redirects,
        command: &Command,
        call: &StreamCall,
        output: &mut Vec<u8>,
    ) -> Progress {
        let is_redirected = match redirects {
            Redirects::None => false,
            Redirects::Players => call.purpose == Purpose::Play,
            Redirects::All => true,
        };
        if is_redirected {
            if call.starts {
                self.redirect_at_play(&connect, command, call.name.as_deref(), output);
                return Progress::Last;
            }
            self.stage = Stage::AwaitingStream { connect, redirects };
            return Progress::More;
        }
        let pending_call = PendingCall { stream_id: command.stream_id, purpose: call.purpose };
        self.relay(connect, call.name.as_deref(), Some(pending_call))
    }

    fn relay(&mut self, connect: Box<Connect>, stream: Option<&str>, pending_call: Option<PendingCall>) -> Progress {
        let path = stream.map(|name| stream_path(&connect, name));
        let transcript = std::mem::take(&mut self.transcript);
        self.stage = Stage::Relay(PendingRelay { transcript, connect, path, pending_call });
        Progress::HandOver
    }

    /// Rejects a connect, with the URL of an edge if there is one.
    fn redirect(&self, connect: &Connect, output: &mut Vec<u8>) {
        // A connect names no stream. That comes with play or publish, which is too late.
        match self.choose(connect, None) {
            Ok(assignment) => {
                let url = connect_url(&assignment, self.client, connect, self.application(connect));
                debug!(client = %self.client.address, %url, "RTMP client redirected");
                let redirect = Redirect { connect_url: &url, stream_url: None };
                write_rejection(output, connect.transaction, REDIRECTED, Some(redirect));
            }
            Err(_) => write_rejection(output, connect.transaction, NO_SERVER, None),
        }
    }

    /// Redirects a client at play, when the stream is known.
    fn redirect_at_play(&self, connect: &Connect, command: &Command, name: Option<&str>, output: &mut Vec<u8>) {
        let path = name.map(|name| stream_path(connect, name));
        match self.choose(connect, path.as_deref()) {
            Ok(assignment) => {
                let application = self.application(connect);
                let url = connect_url(&assignment, self.client, connect, application);
                let stream_url = name.map(|name| stream_url(&assignment, self.client, connect, application, name));
                let stream_url = stream_url.as_deref();
                debug!(client = %self.client.address, %url, stream_url, "RTMP client redirected at play");
                let redirect = Redirect { connect_url: &url, stream_url };
                response::redirect_at_play(output, command, REDIRECTED, Some(redirect));
            }
            Err(_) => response::redirect_at_play(output, command, NO_SERVER, None),
        }
    }

    fn choose(&self, connect: &Connect, path: Option<&str>) -> Result<Assignment, Refusal> {
        let (requested, application) = (requested_url(self.client, connect), self.application(connect));
        self.front.assign_unless_loop(self.client, Protocol::Rtmp, path, None, requested, application)
    }

    fn reject(&mut self, error: Error, output: &mut Vec<u8>) {
        self.front.metrics().reject_client(Protocol::Rtmp.name(), error.reason());
        debug!(client = %self.client.address, %error, "RTMP client rejected");
        match self.stage {
            Stage::AwaitingConnect => error.write_rejection(output),
            _ => response::stream_failed(output, 0, Purpose::Play, &error.to_string()),
        }
    }
}

impl Exchange for Dispatcher<'_> {
    const PROTOCOL: Protocol = Protocol::Rtmp;

    fn advance(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Progress {
        self.record(input);
        loop {
            let progress = match self.session.receive(&mut input, output) {
                Ok(None) => return Progress::More,
                Ok(Some(Event::Connect(connect))) => self.on_connect(connect, output),
                Ok(Some(Event::Command(command))) => self.on_command(&command, output),
                Err(error) => {
                    self.reject(error, output);
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
            // The client has received its redirect.
            Stage::AwaitingRequest { has_requested: true } => return,
            // Before the connect, there is nothing to respond to.
            Stage::AwaitingConnect => {}
            _ => response::stream_failed(output, 0, Purpose::Play, "No stream was named in time."),
        }
        self.front.metrics().reject_client(Protocol::Rtmp.name(), "timeout");
    }
}

#[cfg(test)]
mod tests;
