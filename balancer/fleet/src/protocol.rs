//! What a client speaks, and how URLs say so.

/// What a client speaks.
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

    /// Its name in the configuration, metrics and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Rtmp => "rtmp",
            Self::Rtsp => "rtsp",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// The schemes of URLs that speak it, over whatever transport.
    #[must_use]
    pub fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["http", "https"],
            Self::Rtmp => &["rtmp", "rtmps", "rtmpt", "rtmpts", "rtmpe", "rtmpte"],
            Self::Rtsp => &["rtsp", "rtsps", "rtspu", "rtspt"],
        }
    }

    /// Those that speak it over TCP or TLS, and nothing between.
    #[must_use]
    pub fn plain_schemes(self) -> &'static [&'static str] {
        match self {
            Self::Http => &["http", "https"],
            Self::Rtmp => &["rtmp", "rtmps"],
            Self::Rtsp => &["rtsp", "rtsps", "rtspt"],
        }
    }

    /// Whether URLs with this scheme speak it.
    #[must_use]
    pub fn has_scheme(self, scheme: &str) -> bool {
        self.schemes().contains(&scheme)
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The scheme of a URL that speaks one of the protocols: in lower case, without a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme(&'static str);

impl Scheme {
    /// The one of this name, in whatever case (RFC 3986 section 3.1).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut known = Protocol::ALL.iter().flat_map(|protocol| protocol.schemes());
        known.find(|scheme| scheme.eq_ignore_ascii_case(name)).map(|scheme| Self(scheme))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}
