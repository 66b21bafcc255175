//! `GetClientConfiguration` of OBS, which directs OBS to an edge before it connects.
//!
//! OBS Studio 30.2 and later posts JSON to a configured URL when it goes live with multitrack video, and takes the
//! server and the encoder settings from the response. The facts are those of its source,
//! `frontend/utility/GoLiveAPI_*.cpp`, `MultitrackVideoOutput.cpp` and `models/multitrack-video.hpp` of August 2026.
//! OBS rejects a response without encoders, so there is one: the canvas of OBS as a single H.264 track.

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use weir_fleet::{Protocol, Refusal};

use crate::client::Client;
use crate::front::Front;
use crate::http::pick::{self, ErrorBody, json};
use crate::http::query;
use crate::http::redirect;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::redirect::{Assignment, RedirectDefaults, RequestedUrl};

/// The path of the URL that OBS posts to.
pub(super) const PATH: &str = "/api/v1/obs/GetClientConfiguration";

/// The application if the URL has no `app` parameter.
const DEFAULT_APPLICATION: &str = "live";

/// The parts of OBS's request that the response depends on; each may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigurationRequest {
    service: Option<String>,
    schema_version: Option<String>,
    /// The stream key.
    authentication: Option<String>,
    preferences: Preferences,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Preferences {
    /// kbit/s.
    maximum_aggregate_bitrate: Option<u64>,
    audio_channels: Option<u32>,
    vod_track_audio: bool,
    canvases: Vec<Canvas>,
    /// The fields of the only canvas, in requests of older versions.
    #[serde(flatten)]
    only_canvas: Canvas,
}

/// Size and frame rate of the video.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Canvas {
    width: Option<u32>,
    height: Option<u32>,
    framerate: Option<Framerate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Framerate {
    numerator: u32,
    denominator: u32,
}

#[derive(Debug, Serialize)]
struct Configuration {
    meta: Meta,
    status: Status,
    ingest_endpoints: Vec<Endpoint>,
    encoder_configurations: Vec<Video>,
    audio_configurations: Audio,
}

#[derive(Debug, Serialize)]
struct Meta {
    service: String,
    schema_version: String,
    /// Empty, because OBS would append it to the stream key.
    config_id: &'static str,
}

#[derive(Debug, Serialize)]
struct Status {
    result: &'static str,
    /// Shown to the streamer.
    #[serde(skip_serializing_if = "Option::is_none")]
    html_en_us: Option<String>,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    /// `RTMP` or `RTMPS`.
    protocol: String,
    url_template: String,
}

#[derive(Debug, Serialize)]
struct Video {
    r#type: &'static str,
    width: u32,
    height: u32,
    framerate: Framerate,
    canvas_index: u32,
    settings: VideoSettings,
}

#[derive(Debug, Serialize)]
struct VideoSettings {
    rate_control: &'static str,
    /// kbit/s.
    bitrate: u64,
    keyint_sec: u32,
    preset: &'static str,
    profile: &'static str,
}

#[derive(Debug, Serialize)]
struct Audio {
    live: Vec<AudioTrack>,
    /// Required by OBS if its user has enabled a separate audio track for recordings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vod: Vec<AudioTrack>,
}

#[derive(Clone, Debug, Serialize)]
struct AudioTrack {
    codec: &'static str,
    track_id: u32,
    channels: u32,
    settings: AudioSettings,
}

#[derive(Clone, Debug, Serialize)]
struct AudioSettings {
    /// kbit/s.
    bitrate: u64,
}

/// Audio in kbit/s: OBS's own default.
const AUDIO_BITRATE: u64 = 160;

/// Minimum video bitrate in kbit/s, whatever the limit in OBS: less gives no usable picture.
const MIN_VIDEO_BITRATE: u64 = 100;

/// Assigns OBS to an edge.
pub(super) fn respond<'a>(front: &Front, client: Client, request: &Request<'a>) -> Response<'a> {
    let posted: ConfigurationRequest = match serde_json::from_slice(request.body) {
        Ok(posted) => posted,
        Err(error) => {
            let advice = "Post the JSON with which OBS requests its configuration.";
            let error = ErrorBody::bad_request(format!("The body is not a valid request of OBS: {error}."), advice);
            return error.into_response(StatusCode::BAD_REQUEST);
        }
    };
    let application = query::parameter(request.query, "app").filter(|app| !app.is_empty());
    let application = pick::path(application.as_deref().unwrap_or(DEFAULT_APPLICATION), "");
    // A key may have parameters, which are not part of the stream's name.
    let key = posted.authentication.as_deref().unwrap_or_default().split('?').next().unwrap_or_default();
    let path = format!("{application}/{key}");
    let outcome = front.assign(client, Protocol::Http, Some(Protocol::Rtmp), Some(&path));
    let reason = redirect::reason(outcome.as_ref());
    let bitrate = front.http().obs_bitrate as u64;
    let configuration = match outcome {
        Ok(assignment) => {
            Configuration { ingest_endpoints: endpoints(front, &assignment, &application), ..posted.success(bitrate) }
        }
        Err(refusal) => posted.refused(&refusal, bitrate),
    };
    json(&configuration).with(Front::REASON_HEADER, reason)
}

/// The endpoints of the edge that OBS may publish to. OBS uses the first one with the protocol in its settings.
fn endpoints(front: &Front, assignment: &Assignment, application: &str) -> Vec<Endpoint> {
    let settings = front.application(Protocol::Rtmp, application);
    // An edge that advertises no endpoint is assumed to serve RTMP on its default port, as a Wowza edge does.
    let advertises = assignment.edge().is_none_or(|edge| !edge.endpoints().is_empty());
    let schemes: &[&'static str] = if advertises { &["rtmp", "rtmps"] } else { &["rtmp"] };
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for scheme in schemes {
        let redirect_defaults = RedirectDefaults::default();
        let requested = RequestedUrl { scheme, host: None, port: None, redirect_defaults };
        let target = assignment.target(Protocol::Rtmp, requested, settings);
        let application = settings.app.as_deref().unwrap_or(application);
        let url_template = format!("{target}/{application}/{{stream_key}}");
        // OBS supports these two.
        let is_supported = matches!(target.scheme(), "rtmp" | "rtmps");
        if is_supported && endpoints.iter().all(|other| other.url_template != url_template) {
            endpoints.push(Endpoint { protocol: target.scheme().to_ascii_uppercase(), url_template });
        }
    }
    endpoints
}

impl ConfigurationRequest {
    /// The configuration without endpoints. `bitrate` is the configured video bitrate in kbit/s.
    fn success(&self, bitrate: u64) -> Configuration {
        let Preferences { maximum_aggregate_bitrate, audio_channels, vod_track_audio, canvases, only_canvas } =
            &self.preferences;
        let canvas = canvases.first().unwrap_or(only_canvas);
        let max = maximum_aggregate_bitrate.map(|max| max.saturating_sub(AUDIO_BITRATE).max(MIN_VIDEO_BITRATE));
        let settings = AudioSettings { bitrate: AUDIO_BITRATE };
        let track = AudioTrack { codec: "aac", track_id: 1, channels: audio_channels.unwrap_or(2), settings };
        let vod = vod_track_audio.then(|| AudioTrack { track_id: 2, ..track.clone() });
        Configuration {
            meta: Meta {
                service: self.service.clone().unwrap_or_else(|| "IVS".to_owned()),
                schema_version: self.schema_version.clone().unwrap_or_else(|| "2025-01-25".to_owned()),
                config_id: "",
            },
            status: Status { result: "success", html_en_us: None },
            ingest_endpoints: Vec::new(),
            encoder_configurations: vec![Video {
                r#type: "obs_x264",
                width: canvas.width.unwrap_or(1920),
                height: canvas.height.unwrap_or(1080),
                framerate: canvas.framerate.unwrap_or(Framerate { numerator: 30, denominator: 1 }),
                canvas_index: 0,
                settings: VideoSettings {
                    rate_control: "CBR",
                    bitrate: max.map_or(bitrate, |max| max.min(bitrate)),
                    // HLS and DASH packagers start segments at key frames.
                    keyint_sec: 2,
                    preset: "veryfast",
                    profile: "high",
                },
            }],
            audio_configurations: Audio { live: vec![track], vod: vod.into_iter().collect() },
        }
    }

    /// The configuration for a refused client. OBS shows the text and does not go live; it would not show the body of a
    /// response with an error status.
    fn refused(&self, refusal: &Refusal, bitrate: u64) -> Configuration {
        let text = format!("{} Try again in a moment.", redirect::sentence(refusal));
        Configuration { status: Status { result: "error", html_en_us: Some(text) }, ..self.success(bitrate) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use weir_fleet::testing::report;
    use weir_protocol::report::Endpoint as Reported;
    use weir_protocol::{Host, Report};

    use super::*;
    use crate::fixtures::{CLIENT, front_configured};
    use crate::http::request::Headers;

    /// A request of OBS 32, composed from its source.
    const POSTED: &str = include_str!("fixtures/obs-32-get-client-configuration.json");

    fn post(reports: &[Report<'_>], query: &str, body: &str) -> (u16, Value) {
        let front = front_configured(reports, |_| {});
        let request = Request::new("POST", PATH, Some(query), Headers::default()).unwrap();
        let response = respond(&front, CLIENT, &Request { body: body.as_bytes(), ..request });
        (response.status.as_u16(), serde_json::from_str(&response.body.parts().concat()).unwrap())
    }

    fn edge(endpoints: &[(&'static str, u16)]) -> Report<'static> {
        let mut report = report();
        report.redirect = Host::new("edge1").ok();
        report.endpoints = endpoints.iter().map(|(scheme, port)| Reported::new(scheme, *port)).collect();
        report
    }

    #[test]
    fn obs_gets_the_endpoints_of_an_edge_and_settings_for_its_canvas() {
        let (status, answer) = post(&[edge(&[("rtmp", 1936), ("rtmps", 443)])], "app=studio", POSTED);
        assert_eq!(status, 200);
        assert_eq!(answer["status"], json!({"result": "success"}));
        assert_eq!(answer["meta"], json!({"service": "IVS", "schema_version": "2025-01-25", "config_id": ""}));
        assert_eq!(
            answer["ingest_endpoints"],
            json!([
                {"protocol": "RTMP", "url_template": "rtmp://edge1:1936/studio/{stream_key}"},
                {"protocol": "RTMPS", "url_template": "rtmps://edge1/studio/{stream_key}"},
            ])
        );
        let video = &answer["encoder_configurations"][0];
        assert_eq!((&video["width"], &video["height"]), (&1280.into(), &720.into()));
        assert_eq!(video["framerate"], json!({"numerator": 60, "denominator": 1}));
        assert_eq!(video["settings"]["bitrate"], 4000 - 160, "OBS's limit is lower");
        assert_eq!(answer["audio_configurations"]["live"][0]["channels"], 2);
        assert!(!answer.to_string().contains("s3cret"), "the response does not contain the key");
    }

    #[test]
    fn older_versions_and_edges_without_endpoints_are_supported() {
        let older =
            r#"{"preferences": {"width": 640, "height": 360, "framerate": {"numerator": 25, "denominator": 1}}}"#;
        let (_, answer) = post(&[edge(&[])], "", older);
        let video = &answer["encoder_configurations"][0];
        assert_eq!((&video["width"], &video["settings"]["bitrate"]), (&640.into(), &6000.into()));
        let endpoints = json!([{"protocol": "RTMP", "url_template": "rtmp://edge1/live/{stream_key}"}]);
        assert_eq!(answer["ingest_endpoints"], endpoints);
    }

    #[test]
    fn without_an_edge_obs_shows_the_reason() {
        let (status, answer) = post(&[], "", POSTED);
        let expected = json!({"result": "error", "html_en_us": "No edge has reported yet. Try again in a moment."});
        assert_eq!((status, &answer["status"]), (200, &expected));
        assert_eq!(answer["ingest_endpoints"], json!([]));
    }

    #[test]
    fn invalid_json_is_rejected_with_advice() {
        let (status, answer) = post(&[edge(&[])], "", "go live");
        assert_eq!((status, &answer["status"]), (400, &400.into()));
        assert!(answer["advice"].as_str().unwrap().contains("OBS"), "{answer}");
    }
}
