//! The simple handshake and a `connect`, as a Flash player sends them (RTMP 1.0, sections 5.2 and 7.2.1.1), and its
//! rejection.

use super::{after, split_edge};

/// Bytes of C1, S1, C2 and S2.
const PACKET: usize = 1536;
/// Bytes of S0, S1 and S2.
pub(super) const HANDSHAKE_ANSWER: usize = 1 + 2 * PACKET;
/// Payload bytes of a chunk.
const CHUNK: usize = 128;

/// Returns C0 and C1, and then C2 and the connect command.
pub(super) fn turns() -> [Vec<u8>; 2] {
    let mut connect = packet();
    connect.extend(chunks(&connect_command()));
    [[&[3], &packet()[..]].concat(), connect]
}

/// Returns the time, the four zero bytes of a simple handshake, and arbitrary bytes.
fn packet() -> Vec<u8> {
    let mut packet = vec![0; 8];
    packet.resize(PACKET, 0x5a);
    packet
}

fn connect_command() -> Vec<u8> {
    let mut body = Vec::new();
    let text = |body: &mut Vec<u8>, text: &str| {
        // No text is longer than 255 bytes.
        body.extend([0, text.len().to_le_bytes()[0]]);
        body.extend(text.as_bytes());
    };
    body.push(2);
    text(&mut body, "connect");
    body.push(0);
    body.extend(1_f64.to_be_bytes());
    body.push(3);
    for (name, value) in [
        ("app", "live"),
        ("flashVer", "WIN 32,0,0,465"),
        ("swfUrl", "http://www.example.com/player.swf"),
        ("tcUrl", "rtmp://127.0.0.1/live"),
    ] {
        text(&mut body, name);
        body.push(2);
        text(&mut body, value);
    }
    text(&mut body, "fpad");
    body.extend([1, 0]);
    // A client with other values is not recognised as Flash, and not redirected at connect.
    for (name, value) in
        [("capabilities", 239_f64), ("audioCodecs", 3575.0), ("videoCodecs", 252.0), ("videoFunction", 1.0)]
    {
        text(&mut body, name);
        body.push(0);
        body.extend(value.to_be_bytes());
    }
    text(&mut body, "pageUrl");
    body.push(2);
    text(&mut body, "http://www.example.com/");
    body.extend([0, 0, 9]);
    body
}

/// Returns an AMF0 command on chunk stream 3.
fn chunks(body: &[u8]) -> Vec<u8> {
    let [high, low] = [body.len() / 256, body.len() % 256].map(|part| part.to_le_bytes()[0]);
    let mut chunks = vec![3, 0, 0, 0, 0, high, low, 20, 0, 0, 0, 0];
    for (index, piece) in body.chunks(CHUNK).enumerate() {
        if index > 0 {
            chunks.push(0xc3);
        }
        chunks.extend(piece);
    }
    chunks
}

/// Returns whether this is S0, S1, and an echo of C1.
pub(super) fn is_handshake(answer: &[u8]) -> bool {
    answer.len() == HANDSHAKE_ANSWER && answer[0] == 3 && answer.ends_with(&packet()[8..])
}

/// Returns whether this is a rejection with the redirect to an edge, followed by `close`.
pub(super) fn names_edge(answer: &[u8]) -> bool {
    // Chunk headers may be anywhere in a text, and are removed first.
    let mut payload = Vec::with_capacity(answer.len());
    let mut rest = answer;
    while let Some(header) = rest.get(..12).filter(|header| header[0] == 3) {
        let mut left = usize::from(header[5]) * 256 + usize::from(header[6]);
        rest = &rest[12..];
        while left > 0 {
            let Some((piece, after)) = rest.split_at_checked(left.min(CHUNK)) else { return false };
            payload.extend(piece);
            left -= piece.len();
            rest = if left > 0 { after.get(1..).unwrap_or_default() } else { after };
        }
    }
    let is_same = |rest: &[u8]| rest.starts_with(b":1935/live\0") || rest.starts_with(b"/live\0");
    rest.is_empty()
        && after(&payload, b"_error").is_some()
        && after(&payload, b"\0\x08redirect\x02")
            .and_then(|text| after(text, b"rtmp://"))
            .and_then(split_edge)
            .is_some_and(is_same)
        && after(&payload, b"\x02\0\x05close").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(url: &str, end: &str) -> Vec<u8> {
        let body = format!("\x02\0\x06_error{}\0\x08redirect\x02\0\x2a{url}\0\0\x09", "-".repeat(CHUNK));
        [chunks(body.as_bytes()), chunks(end.as_bytes())].concat()
    }

    #[test]
    fn a_rejection_without_an_edge_or_an_end_is_incorrect() {
        let url = "rtmp://edge-0042.eu-west.example.com:1935/live";
        assert!(names_edge(&rejection(url, "\x02\0\x05close")));
        assert!(!names_edge(&rejection(url, "")));
        assert!(!names_edge(&rejection("rtmp://other:1935/live", "\x02\0\x05close")));
        let whole = rejection(url, "\x02\0\x05close");
        assert!(!names_edge(&whole[..whole.len() - 1]));
    }

    #[test]
    fn a_handshake_echoes_the_bytes_of_the_client() {
        let answer = [&[3], &[1; PACKET][..], &packet()[..]].concat();
        assert!(is_handshake(&answer));
        assert!(!is_handshake(&[&[3], &[1; 2 * PACKET][..]].concat()));
    }
}
