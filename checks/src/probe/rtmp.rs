//! The simple RTMP handshake (RTMP 1.0, section 5.2).

use super::connection::Connection;
use crate::Failure;

/// Length of the packets C1, S1 and S2, in bytes.
const PACKET: usize = 1536;

/// Version of plain RTMP.
const VERSION: u8 = 3;

/// Sends C0 and C1, and reads S0, S1 and S2.
///
/// Whether S2 echoes C1 is not verified: servers that sign their packets need not do that, and no player cares. But S2
/// must arrive, since a server sends it only after it has read C1. A server that merely echoes its input never sends as
/// much.
pub(super) async fn shake_hands(mut connection: Connection) -> Result<(), Failure> {
    connection.write(&first_packet()).await?;
    let [version] = connection.read_exact().await?;
    // The server responds with its own version; 4 to 31 are reserved for later versions (section 5.2.2).
    if !(VERSION..32).contains(&version) {
        return Err(Failure::Malformed("RTMP"));
    }
    connection.read_exact::<{ 2 * PACKET }>().await?;
    Ok(())
}

/// Returns C0 and C1. The timestamp and the four bytes after it are zero, which selects the simple handshake. The rest
/// is random, to differ from other connections; it is not secret.
fn first_packet() -> [u8; 1 + PACKET] {
    let mut packet = [0; 1 + PACKET];
    packet[0] = VERSION;
    packet[9..].copy_from_slice(&weir_program::random::bytes::<{ PACKET - 8 }>());
    packet
}
