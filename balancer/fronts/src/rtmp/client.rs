//! The kinds of clients, by the redirects that they follow, and the forwarding method for each.
//!
//! A client that is relayed always reaches its edge, so a client is redirected only if it is known to follow. Its name
//! alone does not prove that: publishers and players of all makes imitate Flash, because old servers required it.
//!
//! | client                               | `flashVer`                      | `swfUrl`      | `capabilities` |
//! |--------------------------------------|---------------------------------|---------------|----------------|
//! | Flash 10 and later                   | `WIN 32,0,0,465`                | always        | 239            |
//! | FFmpeg, VLC, mpv: play               | `LNX 9,0,124,2`                 | if configured | 15             |
//! | librtmp, GStreamer's rtmp2: play     | `LNX 10,0,32,18`, or none       | if configured | 15             |
//! | FFmpeg: publish                      | `FMLE/3.0 (compatible; Lavf…)`  | if configured | none           |
//! | OBS, and Adobe's Flash Media Encoder | `FMLE/3.0 (compatible; FMSc/…)` | OBS: tcUrl    | 239 or none    |
//! | nginx-rtmp: pull and push            | `LNX.11,1,102,55`               | if configured | none           |
//! | SRS and its derivatives: pull        | `WIN 15,0,0,239`                | the player's  | 239            |

use super::connect::Connect;
use crate::settings::{Application, Mode};

/// The systems that Flash ran on, as its version names them: Windows, macOS, Linux, Android.
const FLASH_SYSTEMS: [&str; 4] = ["WIN", "MAC", "LNX", "AND"];

/// The `capabilities` that Flash has sent since version 10.
const FLASH_CAPABILITIES: f64 = 239.0;

/// Versions that other clients send, some of them with every other property of Flash.
const IMITATED_VERSIONS: [&str; 3] = ["LNX 9,0,124,2", "LNX 10,0,32,18", "WIN 15,0,0,239"];

/// The `srs_sig` of SRS.
const SRS_SIGNATURE: &str = "SRS";

/// The kind of a client, by the redirects that it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A Flash player. The player libraries written for Flash follow the redirect in the rejection of a connect.
    Flash,
    /// An SRS server. One that pulls a stream follows a redirect at play, and only there.
    Srs,
    /// Any other client. None is known to follow a redirect.
    Other,
}

impl ClientKind {
    /// Returns the kind of the client that sent `connect`.
    pub fn of(connect: &Connect) -> Self {
        if connect.srs_signature.as_deref() == Some(SRS_SIGNATURE) {
            Self::Srs
        } else if is_flash(connect) {
            Self::Flash
        } else {
            Self::Other
        }
    }
}

/// Returns whether every property is one that only Flash sends.
fn is_flash(connect: &Connect) -> bool {
    let has_version = connect.flash_version.as_deref().is_some_and(is_flash_version);
    // Flash sends an absolute URL: of a web page, of a file, or of the application that embeds it.
    let has_source = connect.swf_url.as_deref().is_some_and(|url| url.contains(":/"));
    // Encoders send the URL of their stream instead.
    let is_player_url = connect.swf_url != connect.tc_url;
    has_version && has_source && is_player_url && connect.capabilities == Some(FLASH_CAPABILITIES)
}

/// Returns whether `version` has the form of `WIN 32,0,0,465` and is not one that other clients send.
fn is_flash_version(version: &str) -> bool {
    let Some((system, numbers)) = version.split_once(' ') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    FLASH_SYSTEMS.contains(&system)
        && numbers.split(',').count() == 4
        && numbers.split(',').all(is_number)
        && !IMITATED_VERSIONS.contains(&version)
}

/// How a client is forwarded to its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardingMethod {
    /// Its connect is rejected with the URL of the edge.
    Redirect,
    /// Its connect is accepted. It receives the host of the edge in response to `getLoadBalancerRedirect`.
    RedirectOnRequest,
    /// Its connect is accepted. It is redirected if it plays a stream, and relayed if it publishes one.
    RedirectAtPlay,
    /// Its session is relayed.
    Relay,
}

impl ForwardingMethod {
    /// Returns the method for clients of `kind` that connect to `application`.
    pub fn of(kind: ClientKind, application: &Application) -> Self {
        use ClientKind::{Flash, Other, Srs};
        match (application.mode, kind) {
            (Mode::Relay, _) | (Mode::Auto, Other) => Self::Relay,
            (Mode::Auto | Mode::Redirect, Srs) => Self::RedirectAtPlay,
            (Mode::Auto, Flash) | (Mode::Redirect, _) if application.redirect_on_connect => Self::Redirect,
            (Mode::Auto, Flash) | (Mode::Redirect, _) => Self::RedirectOnRequest,
        }
    }

    /// The name in log lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::RedirectOnRequest => "redirect-on-request",
            Self::RedirectAtPlay => "redirect-at-play",
            Self::Relay => "relay",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect::tests::connect;
    use super::*;

    const TC_URL: &str = "rtmp://balancer/live";
    const PLAYER: Option<&str> = Some("http://example.com/player.swf");

    fn kind(flash_version: Option<&str>, swf_url: Option<&str>, capabilities: Option<f64>) -> ClientKind {
        ClientKind::of(&Connect {
            flash_version: flash_version.map(str::to_owned),
            swf_url: swf_url.map(str::to_owned),
            capabilities,
            tc_url: Some(TC_URL.to_owned()),
            ..connect("live")
        })
    }

    #[test]
    fn flash_players_are_distinguished_from_clients_that_imitate_them() {
        let cases = [
            // Sent by Flash players: on each system, from the web, from a file and from an AIR application.
            (Some("WIN 32,0,0,465"), PLAYER, Some(239.0), ClientKind::Flash),
            (Some("MAC 11,2,202,235"), Some("https://example.com/p.swf?a=b"), Some(239.0), ClientKind::Flash),
            (Some("LNX 11,2,202,644"), Some("file:///home/a/p.swf"), Some(239.0), ClientKind::Flash),
            (Some("AND 33,1,1,533"), Some("app:/main.swf"), Some(239.0), ClientKind::Flash),
            // Sent by other clients.
            (Some("LNX 9,0,124,2"), None, Some(15.0), ClientKind::Other),
            (Some("LNX 10,0,32,18"), None, Some(15.0), ClientKind::Other),
            (Some("FMLE/3.0 (compatible; Lavf59.27.100)"), None, None, ClientKind::Other),
            (Some("FMLE/3.0 (compatible; FMSc/1.0)"), Some(TC_URL), None, ClientKind::Other),
            (None, None, Some(15.0), ClientKind::Other),
            (None, None, None, ClientKind::Other),
            (Some("WIN 15,0,0,239"), Some(""), Some(239.0), ClientKind::Other),
            (Some("LNX.11,1,102,55"), None, None, ClientKind::Other),
            (Some("WIN 23,0,0,207"), None, None, ClientKind::Other),
            // Sent by other clients that are configured to imitate Flash more closely.
            (Some("LNX 9,0,124,2"), PLAYER, Some(15.0), ClientKind::Other),
            (Some("LNX 10,0,32,18"), PLAYER, Some(15.0), ClientKind::Other),
            (Some("WIN 32,0,0,465"), PLAYER, Some(15.0), ClientKind::Other),
            (Some("WIN 32,0,0,465"), PLAYER, None, ClientKind::Other),
            (Some("WIN 15,0,0,239"), PLAYER, Some(239.0), ClientKind::Other),
            (Some("LNX 10,0,32,18"), PLAYER, Some(239.0), ClientKind::Other),
            (Some("FMLE/3.0 (compatible; FMSc/1.0)"), PLAYER, Some(239.0), ClientKind::Other),
            (Some("WIN 32,0,0,465"), Some(TC_URL), Some(239.0), ClientKind::Other),
            (Some("WIN 32,0,0,465"), Some("player"), Some(239.0), ClientKind::Other),
            (Some("WIN 32,0,0,465"), None, Some(239.0), ClientKind::Other),
            (Some("WIN 32,0,0"), PLAYER, Some(239.0), ClientKind::Other),
            (Some("WIN 32,0,0,x"), PLAYER, Some(239.0), ClientKind::Other),
            (Some("WIN 32,0,0,"), PLAYER, Some(239.0), ClientKind::Other),
            (Some("XYZ 32,0,0,465"), PLAYER, Some(239.0), ClientKind::Other),
        ];
        for (flash_version, swf_url, capabilities, expected) in cases {
            let seen = kind(flash_version, swf_url, capabilities);
            assert_eq!(seen, expected, "{flash_version:?} {swf_url:?} {capabilities:?}");
        }
    }

    #[test]
    fn an_srs_edge_is_recognised_by_its_signature() {
        let signed = |signature: &str| {
            let connect = Connect {
                flash_version: Some("WIN 15,0,0,239".to_owned()),
                srs_signature: Some(signature.to_owned()),
                ..connect("live")
            };
            ClientKind::of(&connect)
        };
        assert_eq!(signed("SRS"), ClientKind::Srs);
        assert_eq!(signed("another"), ClientKind::Other);
    }

    #[test]
    fn each_kind_gets_a_redirect_that_it_follows() {
        let kinds = [ClientKind::Flash, ClientKind::Srs, ClientKind::Other];
        let methods = |mode, redirect_on_connect| {
            let application = Application { mode, redirect_on_connect, ..Application::DEFAULT };
            kinds.map(|kind| ForwardingMethod::of(kind, &application))
        };
        use ForwardingMethod::{Redirect, RedirectAtPlay, RedirectOnRequest, Relay};
        assert_eq!(methods(Mode::Auto, true), [Redirect, RedirectAtPlay, Relay]);
        assert_eq!(methods(Mode::Auto, false), [RedirectOnRequest, RedirectAtPlay, Relay]);
        assert_eq!(methods(Mode::Redirect, true), [Redirect, RedirectAtPlay, Redirect]);
        assert_eq!(methods(Mode::Redirect, false), [RedirectOnRequest, RedirectAtPlay, RedirectOnRequest]);
        assert_eq!(methods(Mode::Relay, true), [Relay; 3]);
        assert_eq!(methods(Mode::Relay, false), [Relay; 3]);
    }
}
