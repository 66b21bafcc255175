//! Clients, edges, and a front between them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use weir_fleet::relay_counters::RelayCounters;
use weir_fleet::testing::{ANYWHERE, SOURCE, at, id, report, snapshot_of};
use weir_fleet::{Edge, Protocol, Refusal};
use weir_protocol::report::{Endpoint, Status};
use weir_protocol::{Host, Report};

use crate::fixtures::{CLIENT, front_configured};
use crate::redirect::RequestedUrl;
use crate::relay::{EdgeEndpoint, Relay, RelayRequest, RelaySessions, Upstream, connect, forward};
use crate::settings::{self, Application};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::{Front, Shared, tls};

/// The relaying state with these settings.
pub(super) fn relay(settings: settings::Relay) -> Relay {
    let relayed = Arc::new(RelaySessions::new(settings.sessions));
    Relay::new(settings, tls::edge::client_config(None).unwrap(), relayed)
}

/// The report of an edge with an endpoint at this host and port.
pub(super) fn edge_at(scheme: &'static str, host: &'static str, port: u16) -> Report<'static> {
    let mut report = report();
    report.redirect = Host::new(host).ok();
    report.endpoints.push(Endpoint::new(scheme, port));
    report
}

/// A listening edge and its report.
pub(crate) async fn edge() -> (TcpListener, Report<'static>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, edge_at("rtmp", "127.0.0.1", port))
}

/// The report of an edge that does not listen.
pub(super) async fn closed_edge() -> Report<'static> {
    edge().await.1
}

pub(super) fn front(reports: &[Report<'_>], settings: settings::Relay) -> Arc<Front> {
    front_with(reports, |shared| shared.relay = relay(settings))
}

pub(crate) fn front_with(reports: &[Report<'_>], configure: impl FnOnce(&mut Shared)) -> Arc<Front> {
    Arc::new(front_configured(reports, configure))
}

/// The two ends of a connection.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

pub(super) async fn connected(front: &Front, local_address: SocketAddr) -> Result<Upstream, Refusal> {
    connect(front, CLIENT, request(CLIENT.requested_url(Protocol::Rtmp), local_address)).await
}

/// The request of an RTMP client for this URL.
pub(super) fn request(requested: RequestedUrl<'_>, local_address: SocketAddr) -> RelayRequest<'_> {
    let application = &Application::DEFAULT;
    let endpoint = EdgeEndpoint::Protocol { protocol: Protocol::Rtmp, requested, application };
    RelayRequest { endpoint, path: None, local_address }
}

/// A relayed client: its connection, and the task that forwards its bytes.
pub(super) async fn relayed(front: &Arc<Front>) -> (TcpStream, JoinHandle<()>) {
    relayed_with(front, b"", b"").await
}

/// As [`relayed`], with bytes to either end that were received before.
pub(super) async fn relayed_with(
    front: &Arc<Front>,
    to_edge: &'static [u8],
    to_client: &'static [u8],
) -> (TcpStream, JoinHandle<()>) {
    let (client, accepted) = pair().await;
    let front = Arc::clone(front);
    let task = tokio::spawn(async move {
        let upstream = connected(&front, accepted.local_addr().unwrap()).await.unwrap();
        let accepted = Stream::Plain(Socket::registered(accepted));
        forward(&front, accepted, upstream, Bytes::from_static(to_edge), Bytes::from_static(to_client)).await;
    });
    (client, task)
}

/// A client and its edge, with a relayed session between them.
pub(super) struct Session {
    pub(super) front: Arc<Front>,
    pub(super) client: TcpStream,
    pub(super) edge: TcpStream,
    pub(super) task: JoinHandle<()>,
}

impl Session {
    pub(super) async fn open(settings: settings::Relay) -> Self {
        Self::open_on(|shared| shared.relay = relay(settings)).await
    }

    pub(super) async fn open_on(configure: impl FnOnce(&mut Shared)) -> Self {
        let (listener, report) = edge().await;
        let front = front_with(&[report], configure);
        let (client, accepted) = pair().await;
        let upstream = connected(&front, accepted.local_addr().unwrap()).await.unwrap();
        let (edge, _) = listener.accept().await.unwrap();
        let (shared, accepted) = (Arc::clone(&front), Stream::Plain(Socket::registered(accepted)));
        let task = tokio::spawn(async move { forward(&shared, accepted, upstream, Bytes::new(), Bytes::new()).await });
        Self { front, client, edge, task }
    }
}

/// The total of the front's relayed sessions.
pub(super) fn total(front: &Front) -> RelayCounters {
    front.relay().relayed.total()
}

/// The edge with this number in the order of the reports, from 1.
pub(super) fn edge_of(front: &Front, number: usize) -> Arc<Edge> {
    Arc::clone(&front.snapshot().edges[number - 1])
}

/// Lets the drain deadline of the edge with id 1 pass.
pub(crate) fn end_drain(front: &Front) {
    let mut draining = report();
    draining.status = Status::Draining;
    draining.drain_deadline = Some(Duration::from_secs(5));
    let edge = Edge::new(id(1), &draining, SOURCE, &ANYWHERE, at(0).into());
    front.relay().relayed.sweep(&snapshot_of([edge]), at(5000));
}
