//! The protocols that clients speak, and the URL schemes of each: one table.

use Transport::{Encrypted, Http, Https, Tcp, Tls, Udp};

/// Defines [`Protocol`] from one entry per protocol, so that no part of an entry can be forgotten.
macro_rules! protocols {
    ($($(#[$doc:meta])+ $protocol:ident { name: $name:literal, schemes: $schemes:expr $(,)? })+) => {
        /// A protocol that clients speak, to a balancer and to edges.
        ///
        /// A protocol has one entry in the table at the top of this file. Its front has one in the table of the crate
        /// `weir-fronts`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Protocol {
            $($(#[$doc])+ $protocol,)+
        }

        impl Protocol {
            /// Every protocol.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$protocol),+];

            const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$protocol => const { &Entry { name: $name, schemes: $schemes } },)+
                }
            }
        }
    };
}

protocols! {
    /// HTTP: HLS, DASH and all other content with an HTTP URL.
    Http {
        name: "http",
        schemes: &[entry("http", 80, Tcp), entry("https", 443, Tls)],
    }
    /// RTMP.
    Rtmp {
        name: "rtmp",
        schemes: &[
            entry("rtmp", 1935, Tcp),
            entry("rtmps", 443, Tls),
            entry("rtmpt", 80, Http),
            entry("rtmpts", 443, Https),
            entry("rtmpe", 1935, Encrypted),
            entry("rtmpte", 80, Http),
        ],
    }
    /// RTSP. `rtsps` is RTSP over TLS (RFC 7826 section 4.2); `rtspu` asks for media over UDP (RFC 2326 section 3.2, as
    /// Windows Media uses it) and `rtspt` for media interleaved over TCP (Windows Media).
    Rtsp {
        name: "rtsp",
        schemes: &[
            entry("rtsp", 554, Tcp),
            entry("rtsps", 322, Tls),
            entry("rtspu", 554, Udp),
            entry("rtspt", 554, Tcp),
        ],
    }
}

struct Entry {
    name: &'static str,
    /// A scheme over TCP and one over TLS come first.
    schemes: &'static [SchemeEntry],
}

#[derive(Debug, PartialEq, Eq)]
struct SchemeEntry {
    name: &'static str,
    default_port: u16,
    transport: Transport,
}

const fn entry(name: &'static str, default_port: u16, transport: Transport) -> SchemeEntry {
    SchemeEntry { name, default_port, transport }
}

/// The layer below a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Tls,
    /// The protocol is tunnelled in HTTP.
    Http,
    /// The protocol is tunnelled in HTTPS.
    Https,
    /// The protocol's own encryption, over TCP.
    Encrypted,
    Udp,
}

impl Protocol {
    /// The name in the configuration, in metrics and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The protocol with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// The protocol that URLs with this scheme, in lower case, mean.
    #[must_use]
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.has_scheme(scheme))
    }

    /// The schemes of its URLs, over whatever transport.
    pub fn schemes(self) -> impl Iterator<Item = Scheme> {
        self.entry().schemes.iter().map(Scheme)
    }

    /// The scheme of its URLs over TCP, or over TLS.
    #[must_use]
    pub fn scheme(self, is_secure: bool) -> Scheme {
        let schemes = self.entry().schemes;
        let transport = if is_secure { Tls } else { Tcp };
        Scheme(schemes.iter().find(|scheme| scheme.transport == transport).unwrap_or(&schemes[0]))
    }

    /// Its scheme with this name, regardless of case (RFC 3986 section 3.1).
    #[must_use]
    pub fn scheme_named(self, name: &str) -> Option<Scheme> {
        self.schemes().find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether URLs with this scheme, in lower case, speak it.
    #[must_use]
    pub fn has_scheme(self, scheme: &str) -> bool {
        self.schemes().any(|known| known.as_str() == scheme)
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A URL scheme of one of the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme(&'static SchemeEntry);

impl Scheme {
    /// The scheme with this name, regardless of case (RFC 3986 section 3.1).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Protocol::ALL.into_iter().find_map(|protocol| protocol.scheme_named(name))
    }

    /// The name: in lower case, without a colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    /// The port of a URL that names none (RFC 3986 section 3.2.3).
    #[must_use]
    pub fn default_port(self) -> u16 {
        self.0.default_port
    }

    /// Whether connections are over TLS.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self.0.transport, Tls | Https)
    }

    /// Whether the protocol is directly over TCP or TLS, with no tunnel or encryption of its own in between: only then
    /// can a client's bytes be relayed as they are.
    #[must_use]
    pub fn is_direct(self) -> bool {
        matches!(self.0.transport, Tcp | Tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_schemes_are_those_that_configurations_use() {
        let listed = Protocol::ALL.map(|protocol| {
            let schemes: Vec<&str> = protocol.schemes().map(Scheme::as_str).collect();
            format!("{}: {}", protocol.name(), schemes.join(" "))
        });
        assert_eq!(
            listed,
            ["http: http https", "rtmp: rtmp rtmps rtmpt rtmpts rtmpe rtmpte", "rtsp: rtsp rtsps rtspu rtspt"]
        );
    }

    #[test]
    fn every_protocol_has_a_scheme_over_tcp_and_one_over_tls() {
        for protocol in Protocol::ALL {
            let [plain, secure] = [false, true].map(|is_secure| protocol.scheme(is_secure));
            assert!(plain.is_direct() && !plain.is_secure(), "{plain:?}");
            assert!(secure.is_direct() && secure.is_secure(), "{secure:?}");
        }
    }

    #[test]
    fn a_scheme_belongs_to_one_protocol() {
        for protocol in Protocol::ALL {
            for scheme in protocol.schemes() {
                assert_eq!(Protocol::of_scheme(scheme.as_str()), Some(protocol));
                assert_eq!(Scheme::named(&scheme.as_str().to_ascii_uppercase()), Some(scheme));
            }
        }
        assert_eq!((Protocol::of_scheme("ftp"), Scheme::named("ftp")), (None, None));
    }
}
