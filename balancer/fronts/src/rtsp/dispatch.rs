//! Follows one client until it is redirected, relayed or rejected.

use tracing::debug;
use weir_fleet::Protocol;

use super::connection_reuse;
use super::location::Location;
use super::method::Method;
use super::rejection::Rejection;
use super::response;
use super::session::{Session, Step, StreamRequest};
use super::status::Status;
use super::target::Target;
use crate::client::Client;
use crate::exchange::{Exchange, Progress};
use crate::front::Front;
use crate::redirect::{Assignment, RequestedUrl};
use crate::settings::{Application, Mode};

/// A client, from its first byte until it is forwarded.
pub(super) struct Dispatcher<'f> {
    front: &'f Front,
    client: Client,
    session: Session,
    /// The redirect that the client may follow on this connection: its assignment, and the URL that it requested first.
    redirected_to: Option<(Assignment, RequestedUrl<'static>)>,
    pending_relay: Option<PendingRelay>,
}

/// A client that has to be relayed.
#[derive(Debug)]
pub(super) struct PendingRelay {
    /// The bytes that the client has sent and that have not been answered.
    pub(super) received: Vec<u8>,
    /// The `CSeq` of the first request in them.
    pub(super) cseq: u64,
    /// The path and query of the stream.
    pub(super) path: String,
    /// The URL that the client requested first.
    pub(super) requested: RequestedUrl<'static>,
    /// The assignment of the client, if it has one.
    pub(super) assignment: Option<Assignment>,
}

/// How a client that requests a stream is forwarded.
#[derive(Debug, PartialEq, Eq)]
enum ForwardingMethod {
    Redirect,
    Relay,
    /// Not at all: the client would have to be relayed, in redirect mode. A publisher is rejected.
    RejectPublisher,
    /// Not yet: a client that skips `DESCRIBE` has to start with it, and gets this status.
    Respond(Status),
}

impl ForwardingMethod {
    /// Returns the method for a client that requests a stream with `method`.
    fn of(method: Method, mode: Mode) -> Self {
        match (method, mode) {
            (_, Mode::Relay) => Self::Relay,
            // The only request at which all players follow a redirect.
            (Method::Describe, Mode::Auto | Mode::Redirect) => Self::Redirect,
            (_, Mode::Auto) => Self::Relay,
            (Method::Setup, Mode::Redirect) => Self::Respond(Status::MethodNotValidInThisState),
            (_, Mode::Redirect) => Self::RejectPublisher,
        }
    }
}

impl<'f> Dispatcher<'f> {
    /// Creates the dispatcher of a new connection.
    pub(super) fn new(front: &'f Front, client: Client) -> Self {
        let session = Session::new(front.limits().rtsp);
        Self { front, client, session, redirected_to: None, pending_relay: None }
    }

    /// Returns the client as a pending relay, if it has to be relayed.
    pub(super) fn into_pending_relay(self) -> Option<PendingRelay> {
        self.pending_relay
    }
}

impl Exchange for Dispatcher<'_> {
    const PROTOCOL: Protocol = Protocol::Rtsp;

    fn advance(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Progress {
        let Self { front, client, session, redirected_to, pending_relay } = self;
        let date = front.http_date();
        let mut may_follow = false;
        loop {
            match session.step(&mut input, &date, output) {
                Step::NeedMore => return if may_follow { Progress::Lingering } else { Progress::More },
                Step::Finished => return Progress::Last,
                Step::Responded(status) => {
                    debug!(client = %client.address, status = status.as_str(), "RTSP request answered");
                }
                Step::StreamRequested(requested) => {
                    let path = requested.target.path_and_query().unwrap_or_default();
                    let cseq = requested.request.cseq;
                    let mode = front.application(Protocol::Rtsp, path).mode;
                    match ForwardingMethod::of(requested.request.method, mode) {
                        ForwardingMethod::Relay => {
                            let url = requested_url(*client, requested.target);
                            *pending_relay = Some(PendingRelay::new(&requested, input, url, None));
                            return Progress::HandOver;
                        }
                        ForwardingMethod::Redirect => match redirect(front, *client, &requested, &date, output) {
                            Redirected::Sent(assignment, location) if may_reuse_connection(&requested) => {
                                may_follow = true;
                                *redirected_to = Some((assignment, requested_url(*client, requested.target)));
                                session.await_redirected(location);
                            }
                            Redirected::Sent(..) | Redirected::Rejected => return last(input),
                            Redirected::LosesTls(assignment) => {
                                let url = requested_url(*client, requested.target);
                                *pending_relay = Some(PendingRelay::new(&requested, input, url, Some(assignment)));
                                return Progress::HandOver;
                            }
                        },
                        ForwardingMethod::RejectPublisher => {
                            let rejection = Rejection::Publisher;
                            front.metrics().reject_client(Protocol::Rtsp.name(), rejection.reason());
                            response::status(
                                output,
                                rejection.status(),
                                Some(cseq),
                                &date,
                                response::Connection::Close,
                            );
                            // After any response, GStreamer's rtspclientsink continues with a SETUP, which must not be
                            // answered.
                            return Progress::Last;
                        }
                        ForwardingMethod::Respond(status) => {
                            response::status(output, status, Some(cseq), &date, response::Connection::Open);
                        }
                    }
                }
                Step::RedirectFollowed(requested) => {
                    let Some((assignment, url)) = redirected_to.take() else { return Progress::Last };
                    *pending_relay = Some(PendingRelay::new(&requested, input, url, Some(assignment)));
                    return Progress::HandOver;
                }
                Step::Rejected(rejection) => {
                    front.metrics().reject_client(Protocol::Rtsp.name(), rejection.reason());
                    debug!(client = %client.address, error = %rejection, "RTSP client rejected");
                    return Progress::Last;
                }
            }
        }
    }

    fn time_out(&mut self, output: &mut Vec<u8>) {
        if self.redirected_to.is_none() {
            self.front.metrics().reject_client(Protocol::Rtsp.name(), "timeout");
        }
        self.session.time_out(&self.front.http_date(), output);
    }
}

impl PendingRelay {
    /// Creates the pending relay of a client that requests a stream. `rest` is the input after the head of the request.
    fn new(
        requested: &StreamRequest<'_>,
        rest: &[u8],
        url: RequestedUrl<'static>,
        assignment: Option<Assignment>,
    ) -> Self {
        Self {
            received: [requested.head, rest].concat(),
            cseq: requested.request.cseq,
            path: requested.target.path_and_query().unwrap_or_default().to_owned(),
            requested: url,
            assignment,
        }
    }
}

/// How a connection ends after the last response.
fn last(input: &[u8]) -> Progress {
    if input.is_empty() { Progress::Answered } else { Progress::Last }
}

/// The result of a redirect.
enum Redirected {
    /// The redirect was appended.
    Sent(Assignment, Location),
    /// A rejection was appended.
    Rejected,
    /// Nothing was appended: the redirect would lead from TLS to a server without.
    LosesTls(Assignment),
}

/// Redirects a player to an edge, or rejects it.
fn redirect(
    front: &Front,
    client: Client,
    requested: &StreamRequest<'_>,
    date: &str,
    output: &mut Vec<u8>,
) -> Redirected {
    let cseq = requested.request.cseq;
    let path = requested.target.path_and_query();
    let application = front.application(Protocol::Rtsp, path.unwrap_or_default());
    let url = requested_url(client, requested.target);
    let url_with_host = RequestedUrl { host: host(requested.target), ..url };
    let assignment = match front.assign_unless_loop(client, Protocol::Rtsp, path, None, url_with_host, application) {
        Ok(assignment) => assignment,
        Err(refusal) => {
            debug!(client = %client.address, %refusal, "RTSP client not redirected");
            response::no_edge(output, cseq, date, Front::RETRY_AFTER_SECONDS.into(), refusal.name());
            return Redirected::Rejected;
        }
    };
    // Redirected from `rtsps` to `rtsp`, FFmpeg continues with TLS and fails. Nor should a client that requested TLS be
    // redirected to a server without.
    let is_secure = assignment.target(Protocol::Rtsp, url, application).is_secure();
    if client.is_secure && !is_secure && application.mode == Mode::Auto {
        return Redirected::LosesTls(assignment);
    }
    let Some(location) = location(&assignment, url, application, requested.target) else {
        response::status(output, Status::BadRequest, Some(cseq), date, response::Connection::Close);
        return Redirected::Rejected;
    };
    debug!(client = %client.address, %location, "RTSP client redirected");
    let connection =
        if may_reuse_connection(requested) { response::Connection::Open } else { response::Connection::Close };
    response::redirect(output, cseq, date, &location, assignment.reason.name(), connection);
    Redirected::Sent(assignment, location)
}

/// Returns whether the client may follow a redirect on this connection.
fn may_reuse_connection(requested: &StreamRequest<'_>) -> bool {
    connection_reuse::may_reuse_connection(requested.request.header("User-Agent"))
}

/// Returns the URL that the client requested, without its host.
fn requested_url(client: Client, target: Target<'_>) -> RequestedUrl<'static> {
    match target {
        Target::Url(url) => RequestedUrl {
            scheme: url.scheme.as_str(),
            host: None,
            port: url.port,
            redirect_defaults: client.redirect_defaults,
        },
        Target::Path(_) | Target::Asterisk => client.requested_url(Protocol::Rtsp),
    }
}

/// Returns the host in the URL that the client requested.
fn host(target: Target<'_>) -> Option<&str> {
    match target {
        Target::Url(url) => Some(url.host),
        Target::Path(_) | Target::Asterisk => None,
    }
}

/// Returns the URL of the stream on the assigned server; `None` if the client's path is invalid in a URL.
fn location(
    assignment: &Assignment,
    requested: RequestedUrl<'_>,
    application: &Application,
    target: Target<'_>,
) -> Option<Location> {
    let path = target.path_and_query()?;
    let server = assignment.target(Protocol::Rtsp, requested, application);
    Location::parse(format!("{server}{}", application.rename(path))).ok()
}

#[cfg(test)]
mod tests;
