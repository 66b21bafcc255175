//! RTSP over TLS, on the port that takes everything: players are sent to an edge that takes TLS too, and relayed to one
//! that does not, where FFmpeg would not follow; publishers are relayed to either.

use weir_tests::agent::{Agent, AgentBuilder};
use weir_tests::balancer::Balancer;
use weir_tests::certificate::Certificate;
use weir_tests::clients::rtsp::{ffmpeg_plays, ffmpeg_publishes, gstreamer_plays};
use weir_tests::edges::{GstRtsp, RECORDED};
use weir_tests::loopback;

const PATH: &str = "/live/camera";
/// The tests' certificates are signed by themselves.
const TRUSTING: &str = "tls-validation-flags=0";

struct Stage {
    balancer: Balancer,
    edge: GstRtsp,
    _agent: Agent,
    _certificate: Certificate,
}

impl Stage {
    /// A balancer that takes TLS, and an edge that serves this scheme.
    fn set(scheme: &str) -> Self {
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
fn players_get_to_an_edge_with_tls_or_without() {
    for scheme in ["rtsps", "rtsp"] {
        let stage = Stage::set(scheme);
        let url = stage.balancer.url("rtsps", PATH);
        let _ = ffmpeg_plays(&url, &["-rtsp_transport", "tcp"]).expect_success();
        let _ = gstreamer_plays(&url, &["protocols=tcp", TRUSTING]).expect_success();
        let played = stage.edge.events().iter().filter(|event| **event == format!("PLAY {PATH}")).count();
        assert_eq!(played, 2, "{scheme}: {:?}", stage.edge.events());
    }
}

#[test]
fn publishers_are_relayed_to_an_edge_with_tls_or_without() {
    for (from, to) in [("rtsps", "rtsps"), ("rtsps", "rtsp"), ("rtsp", "rtsps")] {
        let stage = Stage::set(to);
        // Not GStreamer, which hangs now and then when it publishes over TLS, also straight to this edge.
        let url = stage.balancer.url(from, RECORDED);
        let _ = ffmpeg_publishes(&url, &["-rtsp_transport", "tcp"]).expect_success();
        stage.edge.await_event(&format!("MEDIA {RECORDED}"));
    }
}
