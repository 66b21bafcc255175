//! Clients of a relay, and of an edge without one.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::edge::{BLOCK, Wish, byte_at};

/// A session that stands still for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a message that is sent to and fro.
pub(super) const MESSAGE: usize = 64;

/// A session with an edge.
#[derive(Debug)]
pub(super) struct Session(TcpStream);

impl Session {
    /// Connects, and asks.
    ///
    /// # Errors
    /// When the connection fails.
    pub(super) async fn open(server: SocketAddr, wish: Wish) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&wish.to_bytes()).await?;
        Ok(Self(stream))
    }

    /// Takes in so many blocks, and the end.
    ///
    /// # Errors
    /// When something else comes, or nothing does.
    pub(super) async fn take_blocks(mut self, count: u32) -> io::Result<()> {
        let expected = count as usize * BLOCK;
        let mut buffer = vec![0; BLOCK];
        let mut received = 0;
        loop {
            match timeout(PATIENCE, self.0.read(&mut buffer)).await?? {
                0 if received == expected => return Ok(()),
                0 => return Err(io::Error::other(format!("{received} of {expected} bytes arrived"))),
                // The ends tell: to look at every byte would take longer than to relay it.
                length if buffer[0] != byte_at(received) || buffer[length - 1] != byte_at(received + length - 1) => {
                    return Err(io::Error::other("the bytes that arrived are not those that were sent"));
                }
                length => received += length,
            }
        }
    }

    /// Sends a message to an edge that sends it back.
    ///
    /// # Errors
    /// When another comes back, or none.
    pub(super) async fn round_trip(&mut self, message: [u8; MESSAGE]) -> io::Result<()> {
        self.0.write_all(&message).await?;
        let mut answer = [0; MESSAGE];
        timeout(PATIENCE, self.0.read_exact(&mut answer)).await??;
        if answer == message { Ok(()) } else { Err(io::Error::other("another message came back")) }
    }
}
