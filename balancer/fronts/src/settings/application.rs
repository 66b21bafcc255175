//! `[[application]]`: settings per application.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use weir_fleet::{Protocol, Scheme};
use weir_program::config::values;

use crate::settings::listener;

/// Settings for the clients of one application. The section may be repeated: the first one that matches a client by
/// `name` and `protocol` applies. A client that none matches gets the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// The application: the first segment of the path that a client requests, such as `"live"`.
    ///
    /// Default: matches every application.
    pub name: Option<String>,
    /// The protocol of the clients, by its [name](Protocol::name).
    ///
    /// Default: matches every protocol.
    #[serde(deserialize_with = "protocol")]
    pub protocol: Option<Protocol>,
    /// How clients reach their edge.
    ///
    /// * `"auto"`: clients that are known to follow a redirect are redirected; all others are relayed.
    /// * `"redirect"`: every client is redirected, and one that cannot follow fails. Choose it where no media may pass
    ///   through the balancer.
    /// * `"relay"`: every client is relayed. Choose it where clients cannot reach the edges directly. HTTP clients are
    ///   redirected all the same, since all of them follow.
    ///
    /// Default: `"auto"`.
    #[serde(deserialize_with = "mode")]
    pub mode: Mode,
    /// RTMP only: whether a client that is redirected gets the redirect in response to its `connect`. If false,
    /// `connect` is accepted, and the host of the edge is the result of the call `getLoadBalancerRedirect`, as with
    /// `redirectOnConnect = false` of the Wowza Load Balancer AddOn; choose that for players written for it.
    ///
    /// Default: true.
    pub redirect_on_connect: bool,
    /// The application on the edge, replacing the one that the client requests (Wowza's `redirectAppName`). Over RTMP
    /// it replaces the whole path of the connect URL including the instance, also for relayed clients. Relayed RTSP
    /// clients keep their own.
    ///
    /// Default: the client's.
    pub app: Option<String>,
    /// The port on the edge that clients are redirected to (Wowza's `redirectPort`).
    ///
    /// Default: the port that the edge advertises, else the listener's `redirect_port`, else the port that the client
    /// used.
    pub port: Option<u16>,
    /// The scheme that clients are redirected to, such as `"rtmps"` (Wowza's `redirectScheme`).
    ///
    /// Default: the scheme that the edge advertises, else the listener's `redirect_scheme`, else the scheme that the
    /// client used.
    #[serde(deserialize_with = "listener::scheme")]
    pub scheme: Option<Scheme>,
}

/// How clients reach their edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Clients that are known to follow are redirected, others are relayed.
    #[default]
    Auto,
    /// All clients are redirected.
    Redirect,
    /// All clients are relayed, even those that would follow a redirect.
    Relay,
}

impl Application {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        name: None,
        protocol: None,
        mode: Mode::Auto,
        redirect_on_connect: true,
        app: None,
        port: None,
        scheme: None,
    };

    /// The first of `all` that matches a client of `protocol` that requests `path`, with or without a leading slash;
    /// the defaults if none does.
    #[must_use]
    pub fn of<'a>(all: &'a [Self], protocol: Protocol, path: &str) -> &'a Self {
        let (_, name, _) = split(path);
        let matches = |application: &&Self| {
            application.protocol.is_none_or(|own| own == protocol)
                && application.name.as_deref().is_none_or(|own| own == name)
        };
        all.iter().find(matches).unwrap_or(&Self::DEFAULT)
    }

    /// The path with the application replaced by `app`, if configured.
    #[must_use]
    pub fn rename<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let Some(app) = &self.app else { return Cow::Borrowed(path) };
        let (slash, _, rest) = split(path);
        Cow::Owned(format!("{slash}{app}{rest}"))
    }
}

/// Splits a path into its leading slash, the application, and the rest.
fn split(path: &str) -> (&str, &str, &str) {
    let (slash, path) = path.split_at(usize::from(path.starts_with('/')));
    let (name, rest) = path.split_at(path.find(['/', '?']).unwrap_or(path.len()));
    (slash, name, rest)
}

impl Default for Application {
    fn default() -> Self {
        Self::DEFAULT
    }
}

fn protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Protocol>, D::Error> {
    let name = String::deserialize(deserializer)?;
    listener::parse_protocol(&name).map(Some).map_err(D::Error::custom)
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
    values::named(deserializer, "a mode", &[("auto", Mode::Auto), ("redirect", Mode::Redirect), ("relay", Mode::Relay)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Application {
        Application { name: Some(name.to_owned()), ..Application::DEFAULT }
    }

    #[test]
    fn the_first_matching_application_applies() {
        let rtsp = Application { protocol: Some(Protocol::Rtsp), mode: Mode::Relay, ..named("live") };
        let others = Application { mode: Mode::Redirect, ..Application::DEFAULT };
        let all = [rtsp.clone(), named("live"), others.clone()];
        for path in ["/live/camera", "live", "live?a=b/c", "/live"] {
            assert_eq!(*Application::of(&all, Protocol::Rtsp, path), rtsp, "{path}");
            assert_eq!(*Application::of(&all, Protocol::Rtmp, path), named("live"), "{path}");
        }
        assert_eq!(*Application::of(&all, Protocol::Rtsp, "/vod/live"), others);
        assert_eq!(*Application::of(&all[..2], Protocol::Rtsp, ""), Application::DEFAULT);
    }

    #[test]
    fn the_application_in_a_path_is_replaced() {
        let renamed = Application { app: Some("edge".to_owned()), ..Application::DEFAULT };
        for (path, expected) in
            [("/live/camera?a", "/edge/camera?a"), ("live/a/b", "edge/a/b"), ("/live", "/edge"), ("live?x", "edge?x")]
        {
            assert_eq!(renamed.rename(path), expected);
            assert_eq!(Application::DEFAULT.rename(path), path);
        }
    }
}
