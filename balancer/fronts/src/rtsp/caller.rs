//! One client until it is answered, or it is known what it is to be relayed for.

use tracing::debug;
use weir_fleet::Protocol;

use super::{Location, Method, Opening, Refusal, Session, Status, Step, Target, respond, returning};
use crate::conversation::{Conversation, Progress};
use crate::redirect::{Assignment, RequestedUrl};
use crate::settings::{Application, Mode};
use crate::{Client, Front};

/// A client, and how far it has come.
pub(super) struct Caller<'f> {
    front: &'f Front,
    client: Client,
    session: Session,
    /// Where it was sent, if it may come back on this connection.
    sent: Option<(Assignment, RequestedUrl<'static>)>,
    relayed: Option<RelaySessions>,
}

/// What a client is to be relayed for.
#[derive(Debug)]
pub(super) struct RelaySessions {
    /// What it has said that is not answered.
    pub(super) said: Vec<u8>,
    /// The `CSeq` of the first request of that.
    pub(super) cseq: u64,
    /// What it asks for: path and query.
    pub(super) path: String,
    /// Where it thought that it was going.
    pub(super) asked: RequestedUrl<'static>,
    /// Where it was sent before, if it was.
    pub(super) sent: Option<Assignment>,
}

/// What becomes of a client that wants a stream.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Redirect,
    Relay,
    /// It would have to be relayed, and nobody is: a publisher is told at once.
    RefusePublisher,
    /// … and whoever skips `DESCRIBE` is told to begin with it.
    Refuse(Status),
}

impl Way {
    fn of(method: Method, mode: Mode) -> Self {
        match (method, mode) {
            (_, Mode::Relay) => Self::Relay,
            // All players follow a redirect here, and only here.
            (Method::Describe, Mode::Auto | Mode::Redirect) => Self::Redirect,
            (_, Mode::Auto) => Self::Relay,
            (Method::Setup, Mode::Redirect) => Self::Refuse(Status::MethodNotValidInThisState),
            (_, Mode::Redirect) => Self::RefusePublisher,
        }
    }
}

impl<'f> Caller<'f> {
    /// A client of which nothing is read.
    pub(super) fn new(front: &'f Front, client: Client) -> Self {
        Self { front, client, session: Session::new(front.limits().rtsp), sent: None, relayed: None }
    }

    /// What the client is to be relayed for, if it is.
    pub(super) fn into_relayed(self) -> Option<RelaySessions> {
        self.relayed
    }
}

impl Conversation for Caller<'_> {
    const PROTOCOL: Protocol = Protocol::Rtsp;

    fn advance(&mut self, mut input: &[u8], output: &mut Vec<u8>) -> Progress {
        let Self { front, client, session, sent, relayed } = self;
        let date = front.http_date();
        let mut has_answer = false;
        loop {
            match session.step(&mut input, &date, output) {
                Step::Need => return if has_answer { Progress::Lingering } else { Progress::More },
                Step::Finished => return Progress::Last,
                Step::Reply(status) => debug!(client = %client.address, status = status.as_str(), "rtsp"),
                Step::Open(opening) => {
                    let path = opening.target.path_and_query().unwrap_or_default();
                    let cseq = opening.request.cseq;
                    match Way::of(opening.request.method, front.application(Protocol::Rtsp, path).mode) {
                        Way::Relay => {
                            let asked = asked(*client, opening.target);
                            *relayed = Some(RelaySessions::new(&opening, input, asked, None));
                            return Progress::HandOver;
                        }
                        Way::Redirect => match redirect(front, *client, &opening, &date, output) {
                            Redirected::RedirectDefaults(destination, location) if may_return(&opening) => {
                                has_answer = true;
                                *sent = Some((destination, asked(*client, opening.target)));
                                session.expect_return(location);
                            }
                            Redirected::RedirectDefaults(..) | Redirected::Refused => return last(input),
                            Redirected::CannotFollow(destination) => {
                                let asked = asked(*client, opening.target);
                                *relayed = Some(RelaySessions::new(&opening, input, asked, Some(destination)));
                                return Progress::HandOver;
                            }
                        },
                        Way::RefusePublisher => {
                            let refusal = Refusal::Publisher;
                            front.metrics().reject_client(Protocol::Rtsp.name(), refusal.reason());
                            respond::status(output, refusal.status(), Some(cseq), &date, respond::Connection::Close);
                            // GStreamer's rtspclientsink goes on to SETUP after any answer: nothing may answer that.
                            return Progress::Last;
                        }
                        Way::Refuse(status) => {
                            respond::status(output, status, Some(cseq), &date, respond::Connection::Open);
                        }
                    }
                }
                Step::Return(opening) => {
                    let Some((destination, asked)) = sent.take() else { return Progress::Last };
                    *relayed = Some(RelaySessions::new(&opening, input, asked, Some(destination)));
                    return Progress::HandOver;
                }
                Step::Refuse(refusal) => {
                    front.metrics().reject_client(Protocol::Rtsp.name(), refusal.reason());
                    debug!(client = %client.address, %refusal, "rtsp");
                    return Progress::Last;
                }
            }
        }
    }

    fn time_out(&mut self, output: &mut Vec<u8>) {
        if self.sent.is_none() {
            self.front.metrics().reject_client(Protocol::Rtsp.name(), "timeout");
        }
        self.session.time_out(&self.front.http_date(), output);
    }
}

impl RelaySessions {
    fn new(opening: &Opening<'_>, rest: &[u8], asked: RequestedUrl<'static>, sent: Option<Assignment>) -> Self {
        Self {
            said: [opening.head, rest].concat(),
            cseq: opening.request.cseq,
            path: opening.target.path_and_query().unwrap_or_default().to_owned(),
            asked,
            sent,
        }
    }
}

/// How a connection ends after its last answer.
fn last(input: &[u8]) -> Progress {
    if input.is_empty() { Progress::Answered } else { Progress::Last }
}

/// What became of a player that was to be redirected.
enum Redirected {
    /// It was told where to go.
    RedirectDefaults(Assignment, Location),
    /// It was told that it cannot be.
    Refused,
    /// It would not get there, and was told nothing.
    CannotFollow(Assignment),
}

/// Names an edge to a player, or says that there is none.
fn redirect(front: &Front, client: Client, opening: &Opening<'_>, date: &str, output: &mut Vec<u8>) -> Redirected {
    let cseq = opening.request.cseq;
    let path = opening.target.path_and_query();
    let application = front.application(Protocol::Rtsp, path.unwrap_or_default());
    let asked = asked(client, opening.target);
    let back = RequestedUrl { host: host(opening.target), ..asked };
    let destination = match front.choose_elsewhere(client, Protocol::Rtsp, path, back, application) {
        Ok(destination) => destination,
        Err(refusal) => {
            debug!(client = %client.address, %refusal, "rtsp");
            respond::no_edge(output, cseq, date, Front::RETRY_AFTER_SECONDS.into(), refusal.name());
            return Redirected::Refused;
        }
    };
    // FFmpeg goes on with TLS when it is sent from `rtsps` to `rtsp`, and fails. Nor should a client that asked for TLS be
    // sent to where there is none.
    let is_secure = destination.target(Protocol::Rtsp, asked, application).is_secure();
    if client.is_secure && !is_secure && application.mode == Mode::Auto {
        return Redirected::CannotFollow(destination);
    }
    let Some(location) = location(&destination, asked, application, opening.target) else {
        respond::status(output, Status::BadRequest, Some(cseq), date, respond::Connection::Close);
        return Redirected::Refused;
    };
    debug!(client = %client.address, %location, "rtsp redirect");
    let connection = if may_return(opening) { respond::Connection::Open } else { respond::Connection::Close };
    respond::redirect(output, cseq, date, &location, destination.reason.name(), connection);
    Redirected::RedirectDefaults(destination, location)
}

/// Whether the client may come back on this connection for the edge that it is sent to.
fn may_return(opening: &Opening<'_>) -> bool {
    returning::may_return(opening.request.header("User-Agent"))
}

/// Where the client thought that it was going.
fn asked(client: Client, target: Target<'_>) -> RequestedUrl<'static> {
    match target {
        Target::Url(url) => RequestedUrl { scheme: url.scheme.as_str(), host: None, port: url.port, told: client.told },
        Target::Path(_) | Target::Asterisk => client.asked(Protocol::Rtsp),
    }
}

/// The host that the client thought to ask.
fn host(target: Target<'_>) -> Option<&str> {
    match target {
        Target::Url(url) => Some(url.host),
        Target::Path(_) | Target::Asterisk => None,
    }
}

/// The stream's URL at its destination, unless the client's path cannot stand in one.
fn location(
    destination: &Assignment,
    asked: RequestedUrl<'_>,
    application: &Application,
    target: Target<'_>,
) -> Option<Location> {
    let path = target.path_and_query()?;
    let beginning = destination.target(Protocol::Rtsp, asked, application);
    Location::parse(format!("{beginning}{}", application.rename(path))).ok()
}

#[cfg(test)]
mod tests {
    use weir_fleet::testing::report;
    use weir_protocol::Host;

    use super::*;
    use crate::settings::ServerInfo;
    use crate::tests::{CLIENT, front};

    fn with_an_edge() -> Front {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        front(&[report], ServerInfo::Off)
    }

    fn request(method: &str, url: &str, headers: &str) -> String {
        format!("{method} {url} RTSP/1.0\r\nCSeq: 2\r\n{headers}\r\n")
    }

    /// How a client fares that says this.
    fn fares(front: &Front, said: &str) -> (Progress, String, Option<RelaySessions>) {
        let mut caller = Caller::new(front, CLIENT);
        let mut output = Vec::new();
        let progress = caller.advance(said.as_bytes(), &mut output);
        (progress, String::from_utf8(output).unwrap(), caller.into_relayed())
    }

    #[test]
    fn the_way_depends_on_the_method_and_the_mode() {
        use Method::{Announce, Describe, Record, Setup};
        for method in [Describe, Announce, Record, Setup] {
            assert_eq!(Way::of(method, Mode::Relay), Way::Relay);
        }
        assert_eq!(Way::of(Describe, Mode::Auto), Way::Redirect);
        assert_eq!(Way::of(Describe, Mode::Redirect), Way::Redirect);
        for publisher in [Announce, Record] {
            assert_eq!(Way::of(publisher, Mode::Auto), Way::Relay);
            assert_eq!(Way::of(publisher, Mode::Redirect), Way::RefusePublisher);
        }
        assert_eq!(Way::of(Setup, Mode::Auto), Way::Relay);
        assert_eq!(Way::of(Setup, Mode::Redirect), Way::Refuse(Status::MethodNotValidInThisState));
    }

    #[test]
    fn the_scheme_that_windows_media_asks_with_is_kept() {
        for scheme in ["rtsp", "rtspt", "rtspu"] {
            let url = format!("{scheme}://lb/video.wmv?a=b");
            let (progress, told, _) = fares(&with_an_edge(), &request("DESCRIBE", &url, "User-Agent: WMPlayer/12\r\n"));
            assert_eq!(progress, Progress::Answered);
            assert!(told.contains(&format!("\r\nLocation: {scheme}://edge1/video.wmv?a=b\r\n")), "{told}");
        }
    }

    #[test]
    fn a_player_is_not_sent_to_where_it_has_asked() {
        let (_, told, _) = fares(&with_an_edge(), &request("DESCRIBE", "rtsp://edge1/live/x", "User-Agent: Lavf\r\n"));
        assert!(told.starts_with("RTSP/1.0 503 ") && told.contains("refused-loop"), "{told}");
    }

    #[test]
    fn a_publisher_is_relayed_with_what_is_not_answered() {
        let announce = request("ANNOUNCE", "rtsp://lb/live/x", "Content-Length: 9\r\n") + "v=0\r\n";
        let (progress, told, relayed) = fares(&with_an_edge(), &(request("OPTIONS", "*", "") + &announce));
        let relayed = relayed.unwrap();
        assert_eq!((progress, told.matches("RTSP/1.0 200").count()), (Progress::HandOver, 1));
        assert_eq!((&*relayed.said, &*relayed.path, relayed.cseq), (announce.as_bytes(), "/live/x", 2));
        assert!(relayed.sent.is_none());
    }

    #[test]
    fn who_comes_back_for_the_edge_is_relayed_there_even_at_once() {
        let front = with_an_edge();
        let first = request("DESCRIBE", "rtsp://lb:8554/live/x", "User-Agent: AndroidXMedia3/1.4.1\r\n");
        let again = request("DESCRIBE", "rtsp://edge1:8554/live/x", "");
        let (progress, told, relayed) = fares(&front, &first);
        assert_eq!(progress, Progress::Lingering);
        assert!(told.starts_with("RTSP/1.0 302 ") && !told.contains("Connection: close"), "{told}");
        assert!(relayed.is_none());
        let (progress, told, relayed) = fares(&front, &(first.clone() + &again));
        assert_eq!((progress, told.matches("RTSP/1.0 ").count()), (Progress::HandOver, 1));
        let relayed = relayed.unwrap();
        assert_eq!(relayed.said, again.as_bytes());
        assert_eq!(relayed.sent.unwrap().host(), "edge1");
        let elsewhere = request("DESCRIBE", "rtsp://lb:8554/live/x", "");
        assert_eq!(fares(&front, &(first + &elsewhere)).0, Progress::Last);
    }

    #[test]
    fn a_player_over_tls_is_relayed_to_an_edge_without() {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        report.endpoints.push(weir_protocol::report::Endpoint::new("rtsp", 8554));
        let front = front(&[report], ServerInfo::Off);
        let mut caller = Caller::new(&front, Client { is_secure: true, ..CLIENT });
        let said = request("DESCRIBE", "rtsps://lb/live/x", "User-Agent: Lavf59.27.100\r\n");
        let mut output = Vec::new();
        assert_eq!(caller.advance(said.as_bytes(), &mut output), Progress::HandOver);
        assert!(output.is_empty());
        assert_eq!(caller.into_relayed().unwrap().sent.unwrap().host(), "edge1");
    }

    #[test]
    fn without_an_edge_a_player_is_told_so_and_does_not_wait() {
        let (progress, told, _) = fares(&front(&[], ServerInfo::Off), &request("DESCRIBE", "rtsp://lb/x", ""));
        assert_eq!(progress, Progress::Answered);
        assert!(told.starts_with("RTSP/1.0 503 "), "{told}");
    }
}
