//! The configuration: TOML in, checked types out.
//!
//! Each section has a file of its own, which holds its keys, their defaults and what they mean. Every key has a
//! default, so that an empty file, or none, is a working configuration.
//!
//! | section           | module          |
//! |-------------------|-----------------|
//! | `[[listener]]`    | [`listener`]    |
//! | `[[application]]` | [`application`] |
//! | `[reports]`       | [`reports`]     |
//! | `[admin]`         | [`admin`]       |
//! | `[http]`          | [`http`]        |
//! | `[redirect]`      | [`redirect`]    |
//! | `[relay]`         | [`relay`]       |
//! | `[selection]`     | [`selection`]   |
//! | `[limits]`        | [`limits`]      |
//! | `[tls]`           | [`tls`]         |
//! | `[geoip]`         | [`geoip`]       |
//! | `[[zone]]`        | [`zone`]        |
//! | `[kernel]`        | [`kernel`]      |

pub mod address;
pub mod admin;
pub mod application;
mod error;
pub mod geoip;
pub mod http;
pub mod kernel;
pub mod keys;
pub mod limits;
pub mod listener;
pub mod redirect;
pub mod relay;
pub mod reports;
pub mod selection;
pub mod tls;
pub(crate) mod units;
pub mod zone;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use admin::Admin;
pub use application::{Application, Mode};
pub use error::{Error, SectionError};
pub use geoip::Geoip;
pub use http::{Http, ServerInfo};
pub use kernel::Kernel;
pub use limits::{Limits, Repeats};
pub use listener::Listener;
pub use redirect::Redirect;
pub use relay::{ProxyProtocol, Relay};
pub use reports::Reports;
pub use selection::Selection;
pub use tls::Tls;
pub use zone::Zone;

use crate::fleet::Zones;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the balancer keeps what must survive a restart: its key. Default: see [`weir_program::state::default_folder`].
    pub state: Option<PathBuf>,
    /// What the balancer calls itself to agents, 1 to 64 printable ASCII characters. Default: the machine's name.
    #[serde(deserialize_with = "units::name")]
    pub name: Option<String>,
    /// Where clients come in.
    #[serde(rename = "listener")]
    pub listeners: Vec<Listener>,
    /// What holds for the clients of each application.
    #[serde(rename = "application")]
    pub applications: Vec<Application>,
    /// Where edges report to, and how long they are believed.
    pub reports: Reports,
    /// Where operators and monitoring come in.
    pub admin: Admin,
    /// What is answered over HTTP.
    pub http: Http,
    /// Where clients may be sent.
    pub redirect: Redirect,
    /// Clients whose bytes are carried to their edge.
    pub relay: Relay,
    /// Which edge a client gets.
    pub selection: Selection,
    /// What one client may cost.
    pub limits: Limits,
    /// The certificate that clients are shown.
    pub tls: Tls,
    /// What tells the country of a client.
    pub geoip: Geoip,
    /// Where clients and edges are.
    #[serde(rename = "zone")]
    pub zones: Vec<Zone>,
    /// Virtual services that the kernel forwards.
    pub kernel: Kernel,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error`], which names the file and the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::unreadable(path, &error))?;
        Self::parse(&text, path)
    }

    /// Checks a text; `path` is for messages.
    ///
    /// # Errors
    /// [`Error`], which names the file and the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(|error| Error::in_text(path, text, &error))?;
        config.zones().map_err(|error| Error::in_section(path, text, &error))?;
        config.kernel.groups().map_err(|error| Error::in_section(path, text, &error))?;
        if config.kernel.only && config.kernel.services.is_empty() {
            let message = "`only` in [kernel], but no [[kernel.service]]: add one, or take `only` out";
            return Err(Error::in_file(path, message));
        }
        if config.listens_for_nobody() {
            let message = "`only` in [kernel] and [[listener]] contradict: take one of them out";
            return Err(Error::in_file(path, message));
        }
        Ok(config)
    }

    /// Whether there are listeners, though the kernel's services are all there is.
    #[must_use]
    pub fn listens_for_nobody(&self) -> bool {
        self.kernel.only && !self.listeners.is_empty()
    }

    /// The zones, as the fleet takes them.
    ///
    /// # Errors
    /// When a section is wrong or contradicts another. Those of a configuration that was parsed are checked.
    pub fn zones(&self) -> Result<Zones, SectionError> {
        zone::zones(&self.zones, &self.geoip)
    }

    /// The listeners, or the default one when none is configured; none when the kernel's services are all there is.
    #[must_use]
    pub fn listeners_or_default(&self) -> Vec<Listener> {
        if self.kernel.only {
            return Vec::new();
        }
        if self.listeners.is_empty() { vec![Listener::default()] } else { self.listeners.clone() }
    }

    /// The folder to keep state in.
    #[must_use]
    pub fn state_folder(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(weir_program::state::default_folder)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::{Policy, Protocol, Scheme};

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("weir.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_a_working_configuration() {
        let config = parse("").unwrap();
        let listeners = config.listeners_or_default();
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].address.to_string(), "*:1935");
        assert_eq!(listeners[0].protocols, Protocol::ALL);
        assert_eq!(config.reports.address.to_string(), "*:1934");
        assert_eq!(config.admin.address.to_string(), "127.0.0.1:8086");
        assert_eq!(config.reports.timeout, Duration::from_secs(5));
    }

    #[test]
    fn every_key_can_be_set() {
        let config = parse(
            r#"
            state = "/srv/weir"
            name = "lb1"
            [[listener]]
            address = "127.0.0.1:80"
            protocols = ["http"]
            [[listener]]
            address = "[::1]:554"
            protocols = ["rtsp"]
            proxy_protocol_from = ["10.0.0.0/8", "2001:db8::1/128"]
            redirect_scheme = "rtsps"
            redirect_port = 322
            [[listener]]
            address = "127.0.0.1:8000"
            relay_port = 8000
            [[application]]
            name = "live"
            protocol = "rtmp"
            mode = "relay"
            redirect_on_connect = false
            app = "edge"
            port = 1936
            scheme = "rtmps"
            [reports]
            address = "127.0.0.1:1934"
            key_file = "/etc/weir/key"
            timeout = "7.5s"
            forget_after = "10m"
            max_clock_skew = "off"
            max_edges = 10
            command_timeout = "2m"
            unknown_salts_per_source = 5
            unknown_salts = 50
            [redirect]
            hosts = [".Example.com"]
            networks = ["10.0.0.0/8", "2001:db8::/32"]
            hop_mark = "weir-hop"
            [relay]
            sessions = 500
            connect_timeout = "1s"
            attempts = 2
            avoid = "1s"
            idle_timeout = "off"
            pipe_bytes = 131072
            proxy_protocol = "v2"
            edge_ca_file = "/etc/weir/edges.pem"
            [admin]
            token_file = "/etc/weir/token"
            address = "127.0.0.1:9000"
            connections = 8
            [http]
            server_info = "off"
            prefixes = ["/live/"]
            steering_ttl = "30s"
            obs_bitrate = 2500
            [selection]
            policy = "least-connections"
            affinity = true
            ramp = "1m"
            cpu_limit = 0.9
            when_full = "best-effort"
            overflow = ["https://cdn.example.com/weir", "rtmp://backup:1936"]
            [limits]
            workers = 3
            connections = 1000
            connections_per_address = 100
            decision_timeout = "3s"
            linger = "500ms"
            linger_bytes = 0
            [limits.repeats]
            most = "off"
            within = "1m"
            [limits.http]
            head = 4096
            body = 0
            streams = 10
            [limits.rtmp]
            message_length = 1024
            chunk_streams = 2
            bytes_before_connect = 2048
            [limits.rtsp]
            line = 1024
            head = 2048
            headers = 16
            body = 0
            frames = 0
            requests = 2
            [tls]
            certificate_file = "/etc/weir/fullchain.pem"
            key_file = "/etc/weir/key.pem"
            [geoip]
            file = "/usr/share/GeoIP/GeoLite2-Country.mmdb"
            [[zone]]
            name = "eu"
            networks = ["192.0.2.0/24", "2001:db8::/32"]
            countries = ["DE", "FR"]
            continents = ["EU"]
            spill = ["us", "*"]
            [[zone]]
            name = "us"
            "#,
        )
        .unwrap();
        assert_eq!(config.listeners_or_default()[1].protocols, [Protocol::Rtsp]);
        assert_eq!(config.listeners[1].redirect_scheme, Scheme::named("rtsps"));
        assert_eq!(config.listeners[2].relay_port.map(u16::from), Some(8000));
        assert_eq!(config.applications[0].mode, Mode::Relay);
        assert_eq!(config.reports.timeout, Duration::from_millis(7500));
        assert_eq!(config.reports.max_clock_skew, None);
        assert_eq!(config.http.server_info, ServerInfo::Off);
        assert_eq!((config.relay.idle_timeout, config.relay.proxy_protocol), (None, Some(ProxyProtocol::V2)));
        assert_eq!(config.http.steering_ttl, Duration::from_secs(30));
        assert!(config.redirect.limits().allow("edge1.example.com") && !config.redirect.limits().allow("11.0.0.1"));
        assert_eq!(config.limits.linger, Duration::from_millis(500));
        assert_eq!(config.selection.rules().policy, Policy::LeastConnections);
        assert_eq!(config.selection.rules().cpu_limit, Some(0.9));
        assert_eq!(config.selection.overflow.len(), 2);
        assert_eq!(config.zones().unwrap().of("192.0.2.1".parse().unwrap()), config.zones().unwrap().id("eu"));
    }

    #[test]
    fn an_unknown_key_is_refused_by_line_and_the_nearest_one_is_named() {
        assert_eq!(
            parse("[reports]\naddress = \"*:1934\"\ntimeot = \"5s\"\n").unwrap_err(),
            "weir.toml:3: unknown key `timeot`; did you mean `timeout`?"
        );
        assert_eq!(parse("\n[repots]\n").unwrap_err(), "weir.toml:2: unknown key `repots`; did you mean `reports`?");
        assert_eq!(
            parse("colour = 1").unwrap_err(),
            "weir.toml:1: unknown key `colour`; known here are `state`, `name`, `listener`, `application`, `reports`, `admin`, `http`, `redirect`, `relay`, `selection`, `limits`, `tls`, `geoip`, `zone`, `kernel`"
        );
    }

    #[test]
    fn a_wrong_value_is_refused_by_line_with_what_was_expected() {
        for (text, message) in [
            (
                "[reports]\ntimeout = \"soon\"",
                "weir.toml:2: `soon` is not a duration: expected a number and a unit, such as \"2.5s\" (units: ms, s, m, h)",
            ),
            (
                "[admin]\naddress = \"8086\"",
                "weir.toml:2: `8086` is not an address: expected HOST:PORT, such as \"127.0.0.1:8086\" or \"*:1935\"",
            ),
            (
                "[[listener]]\nprotocols = [\"rtp\"]",
                "weir.toml:2: `rtp` is not a protocol: expected one of `http`, `rtmp`, `rtsp`",
            ),
            (
                "[selection]\npolicy = \"fastest\"",
                "weir.toml:2: `fastest` is not a policy: expected one of `least-utilised`, `least-connections`, \
                 `least-bandwidth`, `round-robin`, `random`, `hash`, `wowza`",
            ),
            (
                "[selection]\ncpu_limit = 90",
                "weir.toml:2: expected a share of all processors, above 0 to 1, such as 0.9; or \"off\"",
            ),
            (
                "[selection]\noverflow = [\"cdn.example.com\"]",
                "weir.toml:2: `cdn.example.com` is not the beginning of a URL: expected SCHEME://HOST, such as \
                 \"https://cdn.example.com\", with a port or path if need be, and no query",
            ),
            (
                "[[application]]\nmode = \"proxy\"",
                "weir.toml:2: `proxy` is not a mode: expected one of `auto`, `redirect`, `relay`",
            ),
            (
                "[relay]\nproxy_protocol = \"v3\"",
                "weir.toml:2: `v3` is not a version of the PROXY protocol: expected one of `off`, `v1`, `v2`",
            ),
            (
                "[[listener]]\nredirect_scheme = \"ftp\"",
                "weir.toml:2: `ftp` is not a scheme: expected one of http, https, rtmp, rtmps, rtmpt, rtmpts, rtmpe, \
                 rtmpte, rtsp, rtsps, rtspu, rtspt",
            ),
            ("[limits.repeats]\nmost = 0", "weir.toml:2: expected 1 to 65535, or \"off\""),
            ("[[listener]]\nrelay_port = 0", "weir.toml:2: out of range: expected 1 to 65535"),
            ("[limits]\nconnections = 0", "weir.toml:2: out of range: expected 1 to 1000000"),
            (
                "[http]\nprefixes = [\"/live\"]",
                "weir.toml:2: `/live` is not a prefix: expected the beginning of a path, from a slash to a slash, such as \
                 \"/live/\"",
            ),
            ("[http]\nsteering_ttl = \"500ms\"", "weir.toml:2: out of range: expected 1s to 3600s"),
            ("[limits]\ndecision_timeout = \"0s\"", "weir.toml:2: out of range: expected 10ms to 3600s"),
            ("[limits]\nlinger = \"5000000000000000h\"", "weir.toml:2: out of range: expected 0s to 3600s"),
            (
                "[redirect]\nhop_mark = \"a&b\"",
                "weir.toml:2: expected 1 to 64 letters, digits, `-` and `_`, such as \"weir-hop\"",
            ),
            (
                "[http]\nserver_info = \"yes\"",
                "weir.toml:2: unknown variant `yes`, expected one of `private`, `everyone`, `off`",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_toml_is_refused_by_line() {
        let message = parse("[reports]\ntimeout 5").unwrap_err();
        assert!(message.starts_with("weir.toml:2: "), "{message}");
    }
}
