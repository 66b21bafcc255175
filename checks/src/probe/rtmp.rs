//! The handshake of RTMP (RTMP 1.0, section 5.2), simple.

use super::connection::Connection;
use crate::Failure;

/// Bytes of each packet after the version byte.
const PACKET: usize = 1536;

/// Plain RTMP.
const VERSION: u8 = 3;

/// Sends version and first packet (C0, C1), and reads version and both packets of the server (S0, S1, S2).
///
/// Whether S2 repeats C1 is not looked at: servers that sign their packets need not, and no player minds. It is awaited,
/// since a server sends it only once it has read C1: one that merely repeats what it gets never says as much.
pub(super) async fn shake_hands(mut connection: Connection) -> Result<(), Failure> {
    connection.write(&first_packet()).await?;
    let [version] = connection.read_exact().await?;
    // A server answers with the version that it speaks; 4 to 31 may be later ones (section 5.2.2).
    if !(VERSION..32).contains(&version) {
        return Err(Failure::Malformed("RTMP"));
    }
    connection.read_exact::<{ 2 * PACKET }>().await?;
    Ok(())
}

/// C0 and C1: the time and the four bytes after it are zero, by which servers know the simple handshake. What follows is
/// to differ from that of other connections, and is no secret.
fn first_packet() -> [u8; 1 + PACKET] {
    let mut packet = [0; 1 + PACKET];
    packet[0] = VERSION;
    packet[9..].copy_from_slice(&weir_program::random::bytes::<{ PACKET - 8 }>());
    packet
}
