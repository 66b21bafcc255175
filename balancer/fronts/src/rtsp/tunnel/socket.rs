//! The sockets below the stream of a tunnel.

use std::io;
use std::net::SocketAddr;

use super::stream::TunnelStream;
use crate::stream::Stream;

impl TunnelStream<Stream> {
    /// Returns the error of either connection since the last call.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.get.take_error().or_else(|| self.post.take_error())
    }

    /// Makes the kernel discard unsent bytes when this is dropped.
    pub(crate) fn forget_unsent(&self) {
        self.get.forget_unsent();
    }

    /// The local address of the GET channel.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.get.local_address()
    }
}
