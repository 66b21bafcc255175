//! Which clients follow a redirect, told by what they say of themselves in connect.
//!
//! A client that is relayed always gets there, so only those count as followers that are known to be. No name will do for
//! that: publishers and players of all makes pose as Flash, since old servers wanted it.
//!
//! | client                                 | `flashVer`                      | `swfUrl`   | `capabilities` |
//! |----------------------------------------|---------------------------------|------------|----------------|
//! | Flash 10 and later                     | `WIN 32,0,0,465`                | always     | 239            |
//! | FFmpeg, VLC, mpv: play                 | `LNX 9,0,124,2`                 | if told    | 15             |
//! | librtmp, GStreamer's rtmp2: play       | `LNX 10,0,32,18`, or none       | if told    | 15             |
//! | FFmpeg: publish                        | `FMLE/3.0 (compatible; Lavf…)`  | if told    | none           |
//! | OBS, and Adobe's Flash Media Encoder   | `FMLE/3.0 (compatible; FMSc/…)` | OBS: tcUrl | 239 or none    |
//! | nginx-rtmp that pulls or pushes        | `LNX.11,1,102,55`               | if told    | none           |
//! | SRS that pulls, and what was made of it | `WIN 15,0,0,239`               | the player's | 239          |

use super::Connect;
use crate::settings::{Application, Mode};

/// The systems that Flash ran on, as its version names them: Windows, macOS, Linux, Android.
const FLASH_SYSTEMS: [&str; 4] = ["WIN", "MAC", "LNX", "AND"];

/// What Flash has sent as `capabilities` since version 10.
const FLASH_CAPABILITIES: f64 = 239.0;

/// Versions under which others pose, some of them with all the rest that Flash sends.
const BORROWED_VERSIONS: [&str; 3] = ["LNX 9,0,124,2", "LNX 10,0,32,18", "WIN 15,0,0,239"];

/// What SRS signs its connect with.
const SRS_SIGNATURE: &str = "SRS";

/// What kind of client this is, as far as redirects go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Flash player. The player libraries written for it follow the rejection of a connect.
    Flash,
    /// An SRS server. One that pulls a stream follows a redirect at play, and no other.
    Srs,
    /// Any other. None is known to follow.
    Other,
}

impl Kind {
    /// The kind of the client that sent this.
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

/// Whether all is as only Flash sends it.
fn is_flash(connect: &Connect) -> bool {
    let has_version = connect.flash_version.as_deref().is_some_and(is_flash_version);
    // Flash names itself by an absolute URL: of the web, of the disk, or of the program that it is built into.
    let has_source = connect.swf_url.as_deref().is_some_and(|url| url.contains(":/"));
    // Encoders give the URL of their stream in place of a player's.
    let is_its_own = connect.swf_url != connect.tc_url;
    has_version && has_source && is_its_own && connect.capabilities == Some(FLASH_CAPABILITIES)
}

/// Whether this is like `WIN 32,0,0,465`, and nobody else's.
fn is_flash_version(version: &str) -> bool {
    let Some((system, numbers)) = version.split_once(' ') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    FLASH_SYSTEMS.contains(&system)
        && numbers.split(',').count() == 4
        && numbers.split(',').all(is_number)
        && !BORROWED_VERSIONS.contains(&version)
}

/// How a client is brought to its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its connect is rejected with the edge's address.
    Redirect,
    /// Its connect is accepted, and it is told the edge's host when it asks.
    RedirectWhenAsked,
    /// Its connect is accepted, and it is redirected when it plays; one that publishes is relayed.
    RedirectAtPlay,
    /// Its bytes are carried.
    Relay,
}

impl Way {
    /// The way for a client of this kind.
    pub fn of(kind: Kind, application: &Application) -> Self {
        match (application.mode, kind) {
            (Mode::Relay, _) | (Mode::Auto, Kind::Other) => Self::Relay,
            (Mode::Auto | Mode::Redirect, Kind::Srs) => Self::RedirectAtPlay,
            (Mode::Auto, Kind::Flash) | (Mode::Redirect, _) if application.redirect_on_connect => Self::Redirect,
            (Mode::Auto, Kind::Flash) | (Mode::Redirect, _) => Self::RedirectWhenAsked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect::tests::connect;
    use super::*;

    const TC_URL: &str = "rtmp://balancer/live";
    const PLAYER: Option<&str> = Some("http://example.com/player.swf");

    fn kind(flash_version: Option<&str>, swf_url: Option<&str>, capabilities: Option<f64>) -> Kind {
        Kind::of(&Connect {
            flash_version: flash_version.map(str::to_owned),
            swf_url: swf_url.map(str::to_owned),
            capabilities,
            tc_url: Some(TC_URL.to_owned()),
            ..connect("live")
        })
    }

    #[test]
    fn flash_players_are_told_from_all_that_pose_as_one() {
        let cases = [
            // What Flash players sent, on each system, from the web, from a disk and from a program of its own.
            (Some("WIN 32,0,0,465"), PLAYER, Some(239.0), Kind::Flash),
            (Some("MAC 11,2,202,235"), Some("https://example.com/p.swf?a=b"), Some(239.0), Kind::Flash),
            (Some("LNX 11,2,202,644"), Some("file:///home/a/p.swf"), Some(239.0), Kind::Flash),
            (Some("AND 33,1,1,533"), Some("app:/main.swf"), Some(239.0), Kind::Flash),
            // What others send.
            (Some("LNX 9,0,124,2"), None, Some(15.0), Kind::Other),
            (Some("LNX 10,0,32,18"), None, Some(15.0), Kind::Other),
            (Some("FMLE/3.0 (compatible; Lavf59.27.100)"), None, None, Kind::Other),
            (Some("FMLE/3.0 (compatible; FMSc/1.0)"), Some(TC_URL), None, Kind::Other),
            (None, None, Some(15.0), Kind::Other),
            (None, None, None, Kind::Other),
            (Some("WIN 15,0,0,239"), Some(""), Some(239.0), Kind::Other),
            (Some("LNX.11,1,102,55"), None, None, Kind::Other),
            (Some("WIN 23,0,0,207"), None, None, Kind::Other),
            // The same, told to pose better.
            (Some("LNX 9,0,124,2"), PLAYER, Some(15.0), Kind::Other),
            (Some("LNX 10,0,32,18"), PLAYER, Some(15.0), Kind::Other),
            (Some("WIN 32,0,0,465"), PLAYER, Some(15.0), Kind::Other),
            (Some("WIN 32,0,0,465"), PLAYER, None, Kind::Other),
            (Some("WIN 15,0,0,239"), PLAYER, Some(239.0), Kind::Other),
            (Some("LNX 10,0,32,18"), PLAYER, Some(239.0), Kind::Other),
            (Some("FMLE/3.0 (compatible; FMSc/1.0)"), PLAYER, Some(239.0), Kind::Other),
            (Some("WIN 32,0,0,465"), Some(TC_URL), Some(239.0), Kind::Other),
            (Some("WIN 32,0,0,465"), Some("player"), Some(239.0), Kind::Other),
            (Some("WIN 32,0,0,465"), None, Some(239.0), Kind::Other),
            (Some("WIN 32,0,0"), PLAYER, Some(239.0), Kind::Other),
            (Some("WIN 32,0,0,x"), PLAYER, Some(239.0), Kind::Other),
            (Some("WIN 32,0,0,"), PLAYER, Some(239.0), Kind::Other),
            (Some("XYZ 32,0,0,465"), PLAYER, Some(239.0), Kind::Other),
        ];
        for (flash_version, swf_url, capabilities, expected) in cases {
            let seen = kind(flash_version, swf_url, capabilities);
            assert_eq!(seen, expected, "{flash_version:?} {swf_url:?} {capabilities:?}");
        }
    }

    #[test]
    fn an_srs_edge_is_known_by_its_signature() {
        let signed = |signature: &str| {
            let connect = Connect {
                flash_version: Some("WIN 15,0,0,239".to_owned()),
                srs_signature: Some(signature.to_owned()),
                ..connect("live")
            };
            Kind::of(&connect)
        };
        assert_eq!(signed("SRS"), Kind::Srs);
        assert_eq!(signed("another"), Kind::Other);
    }

    #[test]
    fn each_kind_goes_the_way_that_it_follows() {
        let kinds = [Kind::Flash, Kind::Srs, Kind::Other];
        let ways = |mode, redirect_on_connect| {
            let application = Application { mode, redirect_on_connect, ..Application::DEFAULT };
            kinds.map(|kind| Way::of(kind, &application))
        };
        use Way::{Redirect, RedirectAtPlay, RedirectWhenAsked, Relay};
        assert_eq!(ways(Mode::Auto, true), [Redirect, RedirectAtPlay, Relay]);
        assert_eq!(ways(Mode::Auto, false), [RedirectWhenAsked, RedirectAtPlay, Relay]);
        assert_eq!(ways(Mode::Redirect, true), [Redirect, RedirectAtPlay, Redirect]);
        assert_eq!(ways(Mode::Redirect, false), [RedirectWhenAsked, RedirectAtPlay, RedirectWhenAsked]);
        assert_eq!(ways(Mode::Relay, true), [Relay; 3]);
        assert_eq!(ways(Mode::Relay, false), [Relay; 3]);
    }
}
