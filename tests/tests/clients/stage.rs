//! A balancer with a free and a busy edge.

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::clients::Protocol;
use weir_tests::edges::{Direction, GstRtsp, HttpOrigin, MediaServer, NginxRtmp, Visit, Visits};
use weir_tests::process::Process;
use weir_tests::wait::{PATIENCE, eventually};

/// Connections of the busy edge: so many more that one client does not change which is free.
const LOAD: usize = 30;

/// What one client meets. The fields are dropped in this order: edges would complain about a feeder that they outlive.
pub(crate) struct Stage {
    pub(crate) balancer: Balancer,
    /// The edge to be chosen.
    pub(crate) free: Box<dyn MediaServer>,
    /// The edge that could serve as well.
    pub(crate) busy: Box<dyn MediaServer>,
    /// Of the free and of the busy edge.
    _agents: [Agent; 2],
    /// Publishes what is played.
    _feeder: Option<Process>,
}

impl Stage {
    pub(crate) fn set(protocol: Protocol, direction: Direction, config: &str) -> Self {
        let (free, busy, feeder) = edges(protocol, direction);
        let balancer = Balancer::with_config(config);
        let agents = [(&free, 0), (&busy, LOAD)].map(|(edge, load)| {
            let (scheme, port) = edge.endpoint();
            AgentBuilder::of(&balancer).address(edge.address()).endpoint(scheme, port).load(load).start()
        });
        balancer.await_running(2);
        Self { balancer, free, busy, _agents: agents, _feeder: feeder }
    }

    /// One stream was played or published at the free edge, and nobody came to the busy one.
    #[track_caller]
    pub(crate) fn assert_arrived(&self, direction: Direction, stream: &str) {
        let expected = Visit { direction, stream: stream.to_owned(), media: true };
        eventually("the session at the free edge", PATIENCE, || {
            let visits = self.free.visits();
            // Players may ask for the same more than once.
            let seen = !visits.sessions.is_empty() && visits.sessions.iter().all(|visit| *visit == expected);
            if seen { Ok(()) } else { Err(format!("{visits:?}; at the busy edge {:?}", self.busy.visits())) }
        });
        assert_eq!(self.busy.visits(), Visits::default(), "somebody came to the busy edge");
    }

    /// Nobody came to any edge.
    #[track_caller]
    pub(crate) fn assert_nobody_came(&self) {
        for edge in [&self.free, &self.busy] {
            assert_eq!(edge.visits(), Visits::default());
        }
    }
}

/// A free and a busy edge for a protocol, with the stream that is to be played.
fn edges(protocol: Protocol, direction: Direction) -> (Box<dyn MediaServer>, Box<dyn MediaServer>, Option<Process>) {
    const PLAYED: &str = "/live/camera";
    match protocol {
        Protocol::Rtmp => {
            let (mut free, mut busy) = (NginxRtmp::start(), NginxRtmp::start());
            let feed = || NginxRtmp::feed(&mut [&mut free, &mut busy], "camera");
            let feeder = (direction == Direction::Play).then(feed);
            (Box::new(free), Box::new(busy), feeder)
        }
        Protocol::Rtsp | Protocol::RtspInHttp => {
            (Box::new(GstRtsp::serving(PLAYED)), Box::new(GstRtsp::serving(PLAYED)), None)
        }
        Protocol::Hls | Protocol::Whip => {
            let [free, busy] = HttpOrigin::start_all();
            (Box::new(free), Box::new(busy), None)
        }
    }
}
