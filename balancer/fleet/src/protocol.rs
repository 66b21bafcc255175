//! Protocols of clients, and their URL schemes.

/// The protocol of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP: HLS, DASH and anything else behind a URL.
    Http,
    /// RTMP.
    Rtmp,
    /// RTSP.
    Rtsp,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Http, Self::Rtmp, Self::Rtsp];

    /// Returns the name of the protocol in the configuration, metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Rtmp => "rtmp",
            Self::Rtsp => "rtsp",
        }
    }

    /// Returns the protocol of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// Returns the URL schemes of the protocol over any transport.
    #[must_use]
    pub fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["http", "https"],
            Self::Rtmp => &["rtmp", "rtmps", "rtmpt", "rtmpts", "rtmpe", "rtmpte"],
            Self::Rtsp => &["rtsp", "rtsps", "rtspu", "rtspt"],
        }
    }

    /// Returns the URL schemes of the protocol directly over TCP or TLS.
    #[must_use]
    pub fn plain_schemes(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["http", "https"],
            Self::Rtmp => &["rtmp", "rtmps"],
            Self::Rtsp => &["rtsp", "rtsps", "rtspt"],
        }
    }

    /// Returns whether URLs with this scheme use the protocol.
    #[must_use]
    pub fn has_scheme(self, scheme: &str) -> bool {
        self.schemes().contains(&scheme)
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The URL scheme of one of the protocols, in lower case and without a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme(&'static str);

impl Scheme {
    /// Returns the scheme of this name, ignoring case (RFC 3986 section 3.1).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut known = Protocol::ALL.iter().flat_map(|protocol| protocol.schemes());
        known.find(|scheme| scheme.eq_ignore_ascii_case(name)).map(|scheme| Self(scheme))
    }

    /// Returns the name of the scheme.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}
