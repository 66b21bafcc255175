//! The configuration: a TOML file in, the settings of each part of the balancer out.
//!
//! The file is parsed once, into [`File`], and converted to a [`Config`], which is validated and complete. Sections
//! whose keys are the settings of one crate are defined by that crate. The others are defined here. Every key has a
//! default, so that a balancer works with an empty file, or without any.
//!
//! The comments on the fields of the sections are the reference of all keys: meaning, range, default and advice.
//!
//! | section           | defined in                                                |
//! |-------------------|-----------------------------------------------------------|
//! | `[[listener]]`    | [`weir_fronts::settings::listener`]                       |
//! | `[[application]]` | [`weir_fronts::settings::application`]                    |
//! | `[http]`          | [`weir_fronts::settings::http`]                           |
//! | `[relay]`         | [`weir_fronts::settings::relay`]                          |
//! | `[limits]`        | [`weir_fronts::settings::limits`]                         |
//! | `[tls]`           | [`weir_fronts::settings::tls`]                            |
//! | `[admin]`         | [`weir_admin::settings`]                                  |
//! | `[kernel]`        | [`weir_kernel::config`]                                   |
//! | `[reports]`       | [`reports`]                                               |
//! | `[redirect]`      | [`redirect`]                                              |
//! | `[selection]`     | [`selection`]                                             |
//! | `[geoip]`         | [`geoip`]                                                 |
//! | `[[zone]]`        | [`zone`]                                                  |

pub mod geoip;
pub mod keys;
pub mod redirect;
pub mod reports;
pub mod selection;
pub mod zone;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use weir_fleet::{RedirectLimits, Rules, Zones};
use weir_fronts::settings::tls::Files;
use weir_fronts::settings::{Application, Http, Limits, Listener, Relay, Tls};
use weir_program::config::{Error, values};
use weir_program::files;
use weir_protocol::NameBuf;

pub use geoip::Geoip;
pub use redirect::Redirect;
pub use reports::Reports;
pub use selection::Selection;
pub use zone::Zone;

/// The validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The state folder, for the key and the token.
    pub state: PathBuf,
    /// The balancer's name in its acks; the host name of the machine when `None`.
    pub name: Option<NameBuf>,
    /// Listeners for clients. Empty for a balancer that serves kernel services only.
    pub listeners: Vec<Listener>,
    /// Settings of the fronts.
    pub fronts: weir_fronts::Settings,
    /// The certificate for clients, if TLS is configured.
    pub tls: Option<Files>,
    /// How edges report, and how long they are tracked.
    pub reports: Reports,
    /// Settings of the administration.
    pub admin: weir_admin::Settings,
    /// How an edge is chosen.
    pub rules: Rules,
    /// The hosts that clients may be sent to.
    pub redirect_limits: RedirectLimits,
    /// The locations of clients and edges.
    pub zones: Zones,
    /// The GeoIP database.
    pub geoip_file: Option<PathBuf>,
    /// Kernel mode, if there are virtual services.
    pub kernel: Option<weir_kernel::Settings>,
}

/// The configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// State folder, for the key of the cluster and the operators' token. Created if it does not exist. Default: the
    /// folder of systemd's `StateDirectory=`, `/var/lib/weir` for root, or `~/.local/state/weir`; see
    /// [`weir_program::state::default_folder`].
    pub state: Option<PathBuf>,
    /// Name of the balancer, 1 to 64 printable ASCII characters. `weir-agent status` shows it. Default: the host name
    /// of the machine.
    #[serde(deserialize_with = "values::name")]
    pub name: Option<NameBuf>,
    /// Listeners for clients.
    #[serde(rename = "listener")]
    pub listeners: Vec<Listener>,
    /// Settings per application.
    #[serde(rename = "application")]
    pub applications: Vec<Application>,
    /// How edges report, and how long they are tracked.
    pub reports: Reports,
    /// The address for operators and monitoring.
    pub admin: weir_admin::Settings,
    /// HTTP.
    pub http: Http,
    /// The hosts that clients may be sent to.
    pub redirect: Redirect,
    /// Relayed sessions.
    pub relay: Relay,
    /// How an edge is chosen for a client.
    pub selection: Selection,
    /// Limits per client and overall.
    pub limits: Limits,
    /// TLS for clients.
    pub tls: Tls,
    /// The database of countries.
    pub geoip: Geoip,
    /// The locations of clients and edges.
    #[serde(rename = "zone")]
    pub zones: Vec<Zone>,
    /// Virtual services that the kernel forwards.
    pub kernel: weir_kernel::config::KernelSection,
}

impl Config {
    /// Reads and validates a file.
    ///
    /// # Errors
    /// [`Error`], which names the file and the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = files::read_text(path).map_err(|error| Error::unreadable(path, &error))?;
        Self::parse(&text, path)
    }

    /// Validates the text of a file; `path` is used in errors.
    ///
    /// # Errors
    /// [`Error`], which names the file and the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| Error::in_text(path, text, &error))?;
        let File { state, name, listeners, applications, reports, admin, http, redirect, .. } = file;
        let File { relay, selection, limits, tls, geoip, zones, kernel, .. } = file;
        let in_section = |error| Error::in_section(path, text, &error);
        let zones = zone::zones(&zones, &geoip).map_err(in_section)?;
        let only = kernel.only;
        let kernel = kernel.settings().map_err(in_section)?;
        if only && kernel.is_none() {
            let message = "`only` is set in [kernel], but there is no [[kernel.service]]; add one, or remove `only`";
            return Err(Error::in_file(path, message));
        }
        if only && !listeners.is_empty() {
            let message = "`only` in [kernel] conflicts with [[listener]]; remove one of them";
            return Err(Error::in_file(path, message));
        }
        let is_default = listeners.is_empty() && !only;
        let rules = selection.rules();
        Ok(Self {
            state: state.unwrap_or_else(weir_program::state::default_folder),
            name,
            listeners: if is_default { vec![Listener::default()] } else { listeners },
            redirect_limits: redirect.limits(),
            fronts: weir_fronts::Settings {
                applications,
                http,
                relay,
                limits,
                overflow: selection.overflow,
                hop_mark: redirect.hop_mark,
            },
            tls: tls.files,
            reports,
            admin,
            rules,
            zones,
            geoip_file: geoip.file,
            kernel,
        })
    }

    /// Returns whether this balancer serves kernel services only, and has no listeners.
    #[must_use]
    pub fn is_kernel_only(&self) -> bool {
        self.kernel.as_ref().is_some_and(|kernel| kernel.only)
    }
}

/// The configuration of an empty file.
impl Default for Config {
    #[expect(clippy::expect_used, reason = "every key has a default; a test parses an empty file")]
    fn default() -> Self {
        Self::parse("", Path::new("defaults")).expect("an empty file is a configuration")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weir_fleet::{Policy, Protocol, Scheme};
    use weir_fronts::settings::{Mode, ProxyProtocol, ServerInfo};

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("weir.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_a_working_configuration() {
        let config = parse("").unwrap();
        let listeners = &config.listeners;
        assert_eq!(listeners.len(), 1);
        assert_eq!(listeners[0].address.to_string(), "*:1935");
        assert_eq!(listeners[0].protocols, Protocol::ALL);
        assert_eq!(config.reports.address.to_string(), "*:1934");
        assert_eq!(config.admin.address.to_string(), "127.0.0.1:8086");
        assert_eq!(config.reports.timeout, Duration::from_secs(5));
    }

    #[test]
    fn keys_of_every_section_reach_the_settings() {
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
            new_sender_rate_per_source = 5
            new_sender_rate = 50
            [redirect]
            hosts = [".Example.com"]
            networks = ["10.0.0.0/8", "2001:db8::/32"]
            hop_mark = "weir-hop"
            [relay]
            sessions = 500
            connect_timeout = "1s"
            attempts = 2
            retry_unreachable_after = "1s"
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
            max = "off"
            window = "1m"
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
        assert_eq!(config.listeners[1].protocols, [Protocol::Rtsp]);
        assert_eq!(config.listeners[1].redirect_scheme, Scheme::named("rtsps"));
        assert_eq!(config.listeners[2].relay_port.map(u16::from), Some(8000));
        assert_eq!(config.fronts.applications[0].mode, Mode::Relay);
        assert_eq!(config.reports.timeout, Duration::from_millis(7500));
        assert_eq!(config.reports.max_clock_skew, None);
        assert_eq!(config.fronts.http.server_info, ServerInfo::Off);
        assert_eq!(
            (config.fronts.relay.idle_timeout, config.fronts.relay.proxy_protocol),
            (None, Some(ProxyProtocol::V2))
        );
        assert_eq!(config.fronts.http.steering_ttl, Duration::from_secs(30));
        assert!(config.redirect_limits.allow("edge1.example.com") && !config.redirect_limits.allow("11.0.0.1"));
        assert_eq!(config.fronts.limits.linger, Duration::from_millis(500));
        assert_eq!(config.rules.policy, Policy::LeastConnections);
        assert_eq!(config.rules.cpu_limit, Some(0.9));
        assert_eq!(config.fronts.overflow.len(), 2);
        assert_eq!(config.zones.of("192.0.2.1".parse().unwrap()), config.zones.id("eu"));
    }

    #[test]
    fn an_unknown_key_is_rejected_with_the_line_number_and_the_nearest_key() {
        assert_eq!(
            parse("[reports]\naddress = \"*:1934\"\ntimeot = \"5s\"\n").unwrap_err(),
            "weir.toml:3: unknown key `timeot`; did you mean `timeout`?"
        );
        assert_eq!(parse("\n[repots]\n").unwrap_err(), "weir.toml:2: unknown key `repots`; did you mean `reports`?");
        assert_eq!(
            parse("colour = 1").unwrap_err(),
            "weir.toml:1: unknown key `colour`; expected one of `state`, `name`, `listener`, `application`, `reports`, `admin`, `http`, `redirect`, `relay`, `selection`, `limits`, `tls`, `geoip`, `zone`, `kernel`"
        );
    }

    #[test]
    fn a_wrong_value_is_rejected_with_the_line_number_and_what_was_expected() {
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
                "[selection]\ncpu_limit = 90",
                "weir.toml:2: expected a share of all processors, above 0 to 1, such as 0.9; or \"off\"",
            ),
            (
                "[selection]\noverflow = [\"cdn.example.com\"]",
                "weir.toml:2: `cdn.example.com` is not an overflow URL: expected SCHEME://HOST[:PORT][/PATH], such as \
                 \"https://cdn.example.com\", without user name, query or fragment",
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
                "[limits.repeats]
max = 0",
                "weir.toml:2: expected 1 to 65535, or \"off\"",
            ),
            ("[[listener]]\nrelay_port = 0", "weir.toml:2: out of range: expected 1 to 65535"),
            ("[limits]\nconnections = 0", "weir.toml:2: out of range: expected 1 to 1000000"),
            (
                "[http]\nprefixes = [\"/live\"]",
                "weir.toml:2: `/live` is not a path prefix: expected a path that begins and ends with a slash, such as \
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
    fn an_unknown_name_is_rejected_with_the_known_names() {
        let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let (protocols, policies) = (Protocol::ALL.map(Protocol::name), Policy::ALL.map(Policy::name));
        let schemes: Vec<&str> = Protocol::ALL.into_iter().flat_map(Protocol::schemes).map(Scheme::as_str).collect();
        for (text, message, known) in [
            ("[[listener]]\nprotocols = [\"rtp\"]", "`rtp` is not a protocol", quoted(&protocols)),
            ("[[application]]\nprotocol = \"rtp\"", "`rtp` is not a protocol", quoted(&protocols)),
            ("[[listener]]\nredirect_scheme = \"ftp\"", "`ftp` is not a scheme", schemes.join(", ")),
            ("[selection]\npolicy = \"fastest\"", "`fastest` is not a policy", quoted(&policies)),
        ] {
            assert_eq!(parse(text).unwrap_err(), format!("weir.toml:2: {message}: expected one of {known}"), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_toml_is_rejected_with_the_line_number() {
        let message = parse("[reports]\ntimeout 5").unwrap_err();
        assert!(message.starts_with("weir.toml:2: "), "{message}");
    }

    #[test]
    fn a_balancer_for_kernel_services_only_has_no_listeners() {
        let service =
            "[[kernel.service]]\nname = \"web\"\naddresses = [\"192.0.2.10\"]\ntcp = [\"80\"]\nedges = true\n";
        let config = parse(&format!("[kernel]\nonly = true\n{service}")).unwrap();
        assert!(config.is_kernel_only() && config.listeners.is_empty());
        assert_eq!(
            parse("[kernel]\nonly = true\n").unwrap_err(),
            "weir.toml: `only` is set in [kernel], but there is no [[kernel.service]]; add one, or remove `only`"
        );
        assert_eq!(
            parse(&format!("[kernel]\nonly = true\n[[listener]]\n{service}")).unwrap_err(),
            "weir.toml: `only` in [kernel] conflicts with [[listener]]; remove one of them"
        );
    }
}
