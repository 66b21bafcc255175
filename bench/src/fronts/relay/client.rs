//! Clients of a relay, or directly of an edge.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::edge::{BLOCK, Workload, byte_at};

/// Time without progress after which a session has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The length of a message that makes a round trip, in bytes.
pub(super) const MESSAGE: usize = 64;

/// A session with an edge.
#[derive(Debug)]
pub(super) struct Session(TcpStream);

impl Session {
    /// Connects, and requests a workload.
    ///
    /// # Errors
    /// When the connection fails.
    pub(super) async fn open(server: SocketAddr, workload: Workload) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&workload.to_bytes()).await?;
        Ok(Self(stream))
    }

    /// Receives this number of blocks, and the end of the stream.
    ///
    /// # Errors
    /// When other data arrives, or none.
    pub(super) async fn receive_blocks(mut self, count: u32) -> io::Result<()> {
        let expected = count as usize * BLOCK;
        let mut buffer = vec![0; BLOCK];
        let mut received = 0;
        loop {
            match timeout(TIMEOUT, self.0.read(&mut buffer)).await?? {
                0 if received == expected => return Ok(()),
                0 => return Err(io::Error::other(format!("{received} of {expected} bytes arrived"))),
                // The ends suffice: a check of every byte would take longer than relaying it.
                length if buffer[0] != byte_at(received) || buffer[length - 1] != byte_at(received + length - 1) => {
                    return Err(io::Error::other("the received bytes differ from those that were sent"));
                }
                length => received += length,
            }
        }
    }

    /// Sends a message to an edge that echoes it.
    ///
    /// # Errors
    /// When another message comes back, or none.
    pub(super) async fn round_trip(&mut self, message: [u8; MESSAGE]) -> io::Result<()> {
        self.0.write_all(&message).await?;
        let mut answer = [0; MESSAGE];
        timeout(TIMEOUT, self.0.read_exact(&mut answer)).await??;
        if answer == message { Ok(()) } else { Err(io::Error::other("the echo differs from the message")) }
    }
}
