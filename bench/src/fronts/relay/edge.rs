//! The edge that is relayed to. It sends the data that a client requests.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::interval;

/// The length of a block, in bytes: about that of a large group of pictures, and of a full pipe.
pub(super) const BLOCK: usize = 64 * 1024;

/// The workload that a client requests with its first bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Workload {
    /// Echo everything that the client sends.
    Echo,
    /// Send blocks, one per period, or as fast as possible if that is zero. Then close the connection.
    Blocks {
        /// The number of blocks.
        count: u32,
        /// The time between two blocks.
        period: Duration,
    },
}

impl Workload {
    /// Bytes of a workload on the wire.
    const LENGTH: usize = 8;

    /// Returns count and microseconds. An echo has a count of 0.
    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let (count, period) = match self {
            Self::Echo => (0, Duration::ZERO),
            Self::Blocks { count, period } => (count, period),
        };
        let microseconds = u32::try_from(period.as_micros()).unwrap_or(u32::MAX);
        (u64::from(count) << 32 | u64::from(microseconds)).to_be_bytes()
    }

    fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        let [count, microseconds] = [0, 4].map(|at| {
            let mut number = [0; 4];
            number.copy_from_slice(&bytes[at..at + 4]);
            u32::from_be_bytes(number)
        });
        match count {
            0 => Self::Echo,
            count => Self::Blocks { count, period: Duration::from_micros(microseconds.into()) },
        }
    }
}

/// Returns the content of a block. Each byte depends on its offset, so that a client detects a missing one.
pub(super) fn block() -> Vec<u8> {
    (0..BLOCK).map(byte_at).collect()
}

/// Returns the byte at this offset of the data that is sent.
pub(super) fn byte_at(offset: usize) -> u8 {
    // 251 is prime, so that data shifted by a page, or a pipe, looks different.
    (offset % BLOCK % 251).to_le_bytes()[0]
}

/// An edge that serves as long as the runtime runs.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) address: SocketAddr,
}

impl Edge {
    /// Starts an edge on a free port of the loopback interface.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub(super) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let block: Arc<[u8]> = block().into();
        tokio::spawn(async move {
            // When this ends, clients fail with an error.
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&block)));
            }
        });
        Ok(Self { address })
    }
}

/// Serves one session. The client detects a failure, since data is missing.
async fn serve(mut stream: TcpStream, block: Arc<[u8]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = [0; Workload::LENGTH];
    stream.read_exact(&mut bytes).await?;
    match Workload::from_bytes(bytes) {
        Workload::Echo => {
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok(()),
                    length => stream.write_all(&buffer[..length]).await?,
                }
            }
        }
        Workload::Blocks { count, period } => {
            let mut clock = (!period.is_zero()).then(|| interval(period));
            for _ in 0..count {
                if let Some(clock) = &mut clock {
                    clock.tick().await;
                }
                stream.write_all(&block).await?;
            }
            stream.shutdown().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_decoded_as_it_was_encoded() {
        for workload in [Workload::Echo, Workload::Blocks { count: 3, period: Duration::from_micros(1500) }] {
            assert_eq!(format!("{:?}", Workload::from_bytes(workload.to_bytes())), format!("{workload:?}"));
        }
    }
}
