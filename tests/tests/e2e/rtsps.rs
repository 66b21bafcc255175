//! RTSP over TLS: players are redirected to an edge with TLS, and relayed to one without, because FFmpeg would not
//! follow; publishers are relayed to either.

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::certificate::Certificate;
use weir_tests::clients::play_rtsp;
use weir_tests::clients::rtsp::{ffmpeg_plays, ffmpeg_publishes};
use weir_tests::edges::{GstRtsp, PUBLISH_PATH};
use weir_tests::loopback;

const PATH: &str = "/live/camera";
/// The GStreamer property that accepts the tests' self-signed certificates.
const TRUST_ALL: &str = "tls-validation-flags=0";

struct Setup {
    balancer: Balancer,
    edge: GstRtsp,
    _agent: Agent,
    _certificate: Certificate,
}

impl Setup {
    /// Starts a balancer with TLS, and an edge that serves this scheme.
    fn start(scheme: &str) -> Self {
        let address = loopback::address();
        let certificate = Certificate::new(&[&address.to_string()]);
        let relay = format!("[relay]\nedge_ca_file = {:?}\n", certificate.file());
        let balancer = Balancer::with_config(&(certificate.config() + &relay));
        let edge = match scheme {
            "rtsps" => GstRtsp::serving_over_tls(PATH, address, &certificate),
            _ => GstRtsp::serving(PATH),
        };
        let agent = AgentBuilder::of(&balancer).address(edge.address).endpoint(scheme, edge.port).start();
        balancer.await_running(1);
        Self { balancer, edge, _agent: agent, _certificate: certificate }
    }
}

#[test]
fn players_reach_edges_with_and_without_tls() {
    for scheme in ["rtsps", "rtsp"] {
        let setup = Setup::start(scheme);
        let url = setup.balancer.url("rtsps", PATH);
        let _ = ffmpeg_plays(&url, &["-rtsp_transport", "tcp"]).expect_success();
        play_rtsp(&url, &["protocols=tcp", TRUST_ALL]).expect("it plays");
        let played = setup.edge.events().iter().filter(|event| **event == format!("PLAY {PATH}")).count();
        assert_eq!(played, 2, "{scheme}: {:?}", setup.edge.events());
    }
}

#[test]
fn publishers_are_relayed_to_edges_with_and_without_tls() {
    for (from, to) in [("rtsps", "rtsps"), ("rtsps", "rtsp"), ("rtsp", "rtsps")] {
        let setup = Setup::start(to);
        // Without GStreamer, which sometimes hangs when it publishes over TLS, even directly to this edge.
        let url = setup.balancer.url(from, PUBLISH_PATH);
        let _ = ffmpeg_publishes(&url, &["-rtsp_transport", "tcp"]).expect_success();
        setup.edge.await_event(&format!("MEDIA {PUBLISH_PATH}"));
    }
}
