//! The protocols that fronts serve: a table of one entry each.
//!
//! An entry holds what detection and TLS need to know about a protocol, and the function that serves a connection.
//! Names, URL schemes and default ports are in the table of [`weir_fleet::Protocol`]. So a new protocol takes an entry
//! there, a module of this crate with its front, and an entry here.

use std::sync::Arc;

use weir_fleet::Protocol;

use crate::client::Client;
use crate::downstream::Downstream;
use crate::front::Front;
use crate::{http, rtmp, rtsp};

/// What identifies the connections of a protocol.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) protocol: Protocol,
    pub(crate) signature: Signature,
    /// Names for ALPN (RFC 7301), preferred first; none for a protocol that has not registered any.
    pub(crate) alpn: &'static [&'static [u8]],
}

/// The first bytes of a protocol's connections.
#[derive(Debug)]
pub(crate) enum Signature {
    /// A binary protocol: the values that its first byte can have.
    FirstByte(&'static [u8]),
    /// A text protocol: each request begins with a line `METHOD TARGET VERSION`.
    RequestLine {
        /// Methods that no other protocol has.
        methods: &'static [&'static [u8]],
        /// Whether a target that begins with one of the protocol's URL schemes identifies it.
        absolute_targets: bool,
        /// The version up to its slash.
        version: &'static [u8],
    },
}

/// Defines [`TABLE`] and [`serve`]. Functions in the table itself would return boxed futures, an allocation for each
/// connection; so `serve` is a `match` made of the entries.
macro_rules! protocols {
    (
        serve($front:ident, $client:ident, $admitted:ident, $downstream:ident);
        $($protocol:ident { signature: $signature:expr, alpn: $alpn:expr, serve: $serve:expr $(,)? })+
    ) => {
        /// What identifies the connections of each protocol.
        pub(crate) const TABLE: [Entry; Protocol::ALL.len()] =
            [$(Entry { protocol: Protocol::$protocol, signature: $signature, alpn: $alpn }),+];

        /// Serves a connection of `protocol`, of which `downstream` holds the first bytes. `admitted` are the protocols
        /// that its listener admits, for those that can carry another.
        pub(crate) async fn serve(
            protocol: Protocol,
            $front: Arc<Front>,
            $client: Client,
            $admitted: Arc<[Protocol]>,
            $downstream: Downstream,
        ) {
            // The future of a connection has the size of the largest of these. The fronts box what they need only until
            // a session is relayed.
            match protocol {
                $(Protocol::$protocol => $serve.await,)+
            }
        }
    };
}

protocols! {
    serve(front, client, admitted, downstream);

    Http {
        signature: Signature::RequestLine {
            // RFC 9110 section 9.3, RFC 5789, and the preface of HTTP/2. OPTIONS is RTSP's, too.
            methods: &[b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"PATCH", b"CONNECT", b"TRACE", b"PRI"],
            absolute_targets: false,
            version: b"HTTP/",
        },
        alpn: &[b"h2", b"http/1.1"],
        serve: http::serve(front, client, &admitted, downstream),
    }

    Rtmp {
        // RTMP, and RTMPE, which is answered with plain RTMP.
        signature: Signature::FirstByte(&[0x03, 0x06]),
        alpn: &[],
        serve: rtmp::serve(front, client, downstream),
    }

    Rtsp {
        signature: Signature::RequestLine {
            // RFC 2326 section 10, RFC 7826 section 13.
            methods: &[
                b"DESCRIBE",
                b"SETUP",
                b"PLAY",
                b"ANNOUNCE",
                b"RECORD",
                b"PAUSE",
                b"TEARDOWN",
                b"GET_PARAMETER",
                b"SET_PARAMETER",
                b"REDIRECT",
                b"PLAY_NOTIFY",
            ],
            absolute_targets: true,
            version: b"RTSP/",
        },
        alpn: &[],
        serve: rtsp::serve(front, client, downstream),
    }
}
