//! A balancer with RTSP edges.

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::edges::GstRtsp;

/// The path that the edges serve to players.
pub(crate) const PLAY_PATH: &str = "/live/camera";

/// A balancer with one edge.
pub(crate) struct OneEdge {
    pub(crate) balancer: Balancer,
    pub(crate) edge: GstRtsp,
    _agent: Agent,
}

impl OneEdge {
    pub(crate) fn start(config: &str) -> Self {
        let balancer = Balancer::with_config(config);
        let edge = GstRtsp::serving(PLAY_PATH);
        let agent = agent_of(&edge, &balancer).start();
        balancer.await_running(1);
        Self { balancer, edge, _agent: agent }
    }
}

/// A balancer with a free and a busy edge.
pub(crate) struct FreeAndBusy {
    pub(crate) balancer: Balancer,
    pub(crate) free: GstRtsp,
    pub(crate) busy: GstRtsp,
    _agents: [Agent; 2],
}

impl FreeAndBusy {
    pub(crate) fn start(config: &str) -> Self {
        let balancer = Balancer::with_config(config);
        let (free, busy) = (GstRtsp::serving(PLAY_PATH), GstRtsp::serving(PLAY_PATH));
        let agents = [(&free, 0), (&busy, 30)].map(|(edge, load)| agent_of(edge, &balancer).load(load).start());
        balancer.await_running(2);
        Self { balancer, free, busy, _agents: agents }
    }

    /// Asserts that one client has caused these events on the free edge, and none on the busy one.
    #[track_caller]
    pub(crate) fn assert_at_the_free_edge(&self, before: &str, last: &str) {
        self.free.await_event(last);
        assert!(self.free.events().iter().any(|event| event == before), "{:?}", self.free.events());
        assert!(self.busy.events().is_empty(), "{:?}", self.busy.events());
        assert_eq!(self.balancer.assignments("rtsp"), 1.0);
    }
}

fn agent_of(edge: &GstRtsp, balancer: &Balancer) -> AgentBuilder {
    AgentBuilder::of(balancer).address(edge.address).endpoint("rtsp", edge.port)
}
