//! What is relayed to: sends its clients what they ask for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::interval;

/// Bytes that are sent at a time: about those of a group of pictures' larger ones, and of a full pipe.
pub(super) const BLOCK: usize = 64 * 1024;

/// What a client asks for, with its first bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// To be sent what it sends.
    Echo,
    /// To be sent so many blocks, one per period; all at once if that is zero. Then the edge closes.
    Blocks {
        /// How many.
        count: u32,
        /// The time between two.
        period: Duration,
    },
}

impl Wish {
    /// Bytes of a wish on the wire.
    const LENGTH: usize = 8;

    /// Count, and microseconds; an echo has no count.
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

/// What a block holds: each byte tells where it belongs, so that a client sees when one is missing.
pub(super) fn block() -> Vec<u8> {
    (0..BLOCK).map(byte_at).collect()
}

/// The byte at this place of what is sent.
pub(super) fn byte_at(place: usize) -> u8 {
    // 251 is prime: what is off by a page, or a pipe, does not look the same.
    (place % BLOCK % 251).to_le_bytes()[0]
}

/// An edge that serves for as long as the runtime runs.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) address: SocketAddr,
}

impl Edge {
    /// One on a free port of the loopback.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub(super) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let block: Arc<[u8]> = block().into();
        tokio::spawn(async move {
            // Clients fail when it ends, and say so.
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&block)));
            }
        });
        Ok(Self { address })
    }
}

/// Serves one session. What fails is seen by the client, which then lacks something.
async fn serve(mut stream: TcpStream, block: Arc<[u8]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut wish = [0; Wish::LENGTH];
    stream.read_exact(&mut wish).await?;
    match Wish::from_bytes(wish) {
        Wish::Echo => {
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return Ok(()),
                    length => stream.write_all(&buffer[..length]).await?,
                }
            }
        }
        Wish::Blocks { count, period } => {
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
    fn a_wish_arrives_as_it_was_sent() {
        for wish in [Wish::Echo, Wish::Blocks { count: 3, period: Duration::from_micros(1500) }] {
            assert_eq!(format!("{:?}", Wish::from_bytes(wish.to_bytes())), format!("{wish:?}"));
        }
    }
}
