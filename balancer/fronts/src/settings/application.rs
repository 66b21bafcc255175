//! `[[application]]`: what holds for the clients of one application.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use weir_fleet::{Protocol, Scheme};
use weir_program::config::values;

use crate::settings::listener;

/// What holds for the clients of one application. May be repeated; the first that fits a client counts, and one with the
/// defaults when none does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// The application: the first part of a client's path, such as `"live"`. Default: every application.
    pub name: Option<String>,
    /// What its clients speak: `"http"`, `"rtmp"` or `"rtsp"`. Default: any of them.
    #[serde(deserialize_with = "protocol")]
    pub protocol: Option<Protocol>,
    /// How clients get to their edge: `"redirect"` names the edge, `"relay"` carries the bytes, and `"auto"` redirects
    /// those that are known to follow and relays the rest. HTTP players all follow, and are never relayed. Default:
    /// `"auto"`.
    #[serde(deserialize_with = "mode")]
    pub mode: Mode,
    /// RTMP: whether a client that is redirected is told so when it connects. Otherwise its connect is accepted, and it
    /// is told the host when it calls `getLoadBalancerRedirect`, as the Wowza Load Balancer AddOn does with
    /// `redirectOnConnect`. Default: true.
    pub redirect_on_connect: bool,
    /// The application that clients are redirected to, in place of their own: `redirectAppName`. Over RTMP it replaces
    /// the whole path of the connect URL, instance included, also for clients that are relayed. RTSP clients that are
    /// relayed keep their own. Default: their own.
    pub app: Option<String>,
    /// The port that clients are redirected to: `redirectPort`. Default: the one that the edge advertises, or else the
    /// listener's `redirect_port`, or else the one that the client used.
    pub port: Option<u16>,
    /// The scheme that clients are redirected to, such as `"rtmps"`: `redirectScheme`. Default: the one that the edge
    /// advertises, or else the listener's `redirect_scheme`, or else the one that the client used.
    #[serde(deserialize_with = "listener::scheme")]
    pub scheme: Option<Scheme>,
}

/// How clients get to their edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Redirected if they are known to follow, relayed otherwise.
    #[default]
    Auto,
    /// Redirected, whether they follow or not.
    Redirect,
    /// RelaySessions, even those that would follow.
    Relay,
}

impl Application {
    /// What holds when nothing is configured.
    pub const DEFAULT: Self = Self {
        name: None,
        protocol: None,
        mode: Mode::Auto,
        redirect_on_connect: true,
        app: None,
        port: None,
        scheme: None,
    };

    /// The one of `all` that holds for a client of `protocol` that asks for what is at `path`, with or without a slash
    /// before it.
    #[must_use]
    pub fn of<'a>(all: &'a [Self], protocol: Protocol, path: &str) -> &'a Self {
        let (_, name, _) = split(path);
        let fits = |application: &&Self| {
            application.protocol.is_none_or(|wanted| wanted == protocol)
                && application.name.as_deref().is_none_or(|wanted| wanted == name)
        };
        all.iter().find(fits).unwrap_or(&Self::DEFAULT)
    }

    /// The path with the application that clients are redirected to in place of their own.
    #[must_use]
    pub fn rename<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let Some(app) = &self.app else { return Cow::Borrowed(path) };
        let (slash, _, rest) = split(path);
        Cow::Owned(format!("{slash}{app}{rest}"))
    }
}

/// The slash before it, the application, and what follows.
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
    fn the_first_that_fits_counts() {
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
    fn another_application_takes_the_place_of_the_client_s() {
        let renamed = Application { app: Some("edge".to_owned()), ..Application::DEFAULT };
        for (path, expected) in
            [("/live/camera?a", "/edge/camera?a"), ("live/a/b", "edge/a/b"), ("/live", "/edge"), ("live?x", "edge?x")]
        {
            assert_eq!(renamed.rename(path), expected);
            assert_eq!(Application::DEFAULT.rename(path), path);
        }
    }
}
