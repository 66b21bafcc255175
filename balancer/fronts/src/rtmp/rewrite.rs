//! Rewrites the application in a connect that is relayed.

use super::amf0::Writer;
use super::chunk::{self, write_payload};
use super::connect::Connect;
use super::tc_url::TcUrl;
use crate::settings::Application;

/// A connect cannot be rewritten: other messages come between its chunks, or its properties are not written as every
/// known client writes them. The text is sent to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the application cannot be renamed in this connect")]
pub(super) struct Error;

/// Rewrites the application in a connect, which is the message that `chunks` has read last from `received`.
///
/// The configured application replaces the path in `app` and in `tcUrl`, as in a redirect; queries are kept. Without a
/// configured application, nothing changes.
///
/// Later messages on the same chunk stream may refer to the connect's type, stream and timestamp, which do not change.
/// A command that refers to its length, by having the same length, is not known to exist.
pub(super) fn rewrite_app(
    received: &mut Vec<u8>,
    chunks: &chunk::Reader,
    connect: &Connect,
    application: &Application,
) -> Result<(), Error> {
    let Some(app) = &application.app else { return Ok(()) };
    let chunk::Offsets { header: start, payload } = chunks.offsets();
    let end = chunks.position();
    let header = Header::parse(received.get(start..payload).ok_or(Error)?).ok_or(Error)?;
    let old = header.payload(received.get(payload..end).ok_or(Error)?, chunks.chunk_size()).ok_or(Error)?;

    let mut new = replace(&old, "app", &connect.app, &with_path(&connect.app, "", app)).ok_or(Error)?;
    if let Some(url) = &connect.tc_url
        && let Ok(TcUrl { path, .. }) = TcUrl::parse(url)
    {
        let server = &url[..url.find('?').unwrap_or(url.len())];
        let server = &server[..server.len() - path.len()];
        new = replace(&new, "tcUrl", url, &with_path(url, server, app)).ok_or(Error)?;
    }

    let mut written = header.with_length(new.len()).ok_or(Error)?;
    write_payload(&mut written, &new, chunks.chunk_size(), &header.continuation());
    received.splice(start..end, written);
    Ok(())
}

/// Returns `server`, `app` and the query of `text`.
fn with_path(text: &str, server: &str, app: &str) -> String {
    let slash = if server.is_empty() { "" } else { "/" };
    match text.split_once('?') {
        Some((_, query)) => format!("{server}{slash}{app}?{query}"),
        None => format!("{server}{slash}{app}"),
    }
}

/// Returns `payload` with the text `new` instead of `old` in the property `name`; `None` if there is no such property.
fn replace(payload: &[u8], name: &'static str, old: &str, new: &str) -> Option<Vec<u8>> {
    let property = |text: &str| {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).name(name).string(text);
        bytes
    };
    let old = property(old);
    let offset = payload.windows(old.len()).position(|part| part == old)?;
    Some([&payload[..offset], &property(new), &payload[offset + old.len()..]].concat())
}

/// The header of a message's first chunk, of type 0 or 1.
#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    bytes: &'a [u8],
    /// The length of the basic header, at the start.
    basic: usize,
    /// The length of the extended timestamp, at the end.
    extended: usize,
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first()?;
        let basic = match first & 0x3f {
            0 => 2,
            1 => 3,
            _ => 1,
        };
        let message = match first >> 6 {
            0 => 11,
            1 => 7,
            _ => return None,
        };
        let extended = bytes.len().checked_sub(basic + message)?;
        Some(Self { bytes, basic, extended })
    }

    /// Returns the header of every later chunk: type 3, and the extended timestamp if there is one.
    fn continuation(&self) -> Vec<u8> {
        let mut bytes = self.bytes[..self.basic].to_vec();
        bytes[0] |= 3 << 6;
        bytes.extend_from_slice(&self.bytes[self.bytes.len() - self.extended..]);
        bytes
    }

    /// Returns the payload of a message from its chunks; `None` if other chunks come between them.
    fn payload(&self, mut chunks: &[u8], chunk_size: usize) -> Option<Vec<u8>> {
        let continuation = self.continuation();
        let mut payload = Vec::with_capacity(chunks.len());
        while chunks.len() > chunk_size {
            payload.extend_from_slice(&chunks[..chunk_size]);
            chunks = chunks[chunk_size..].strip_prefix(&continuation[..])?;
        }
        payload.extend_from_slice(chunks);
        (self.length() == payload.len()).then_some(payload)
    }

    fn length(&self) -> usize {
        self.bytes[self.length_range()].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
    }

    /// Returns a copy that announces the length `length`; `None` if that does not fit 24 bits.
    fn with_length(&self, length: usize) -> Option<Vec<u8>> {
        let [0, length @ ..] = u32::try_from(length).ok()?.to_be_bytes() else { return None };
        let mut bytes = self.bytes.to_vec();
        bytes[self.length_range()].copy_from_slice(&length);
        Some(bytes)
    }

    /// The message length follows the timestamp (sections 5.3.1.2.1 and 5.3.1.2.2).
    fn length_range(&self) -> std::ops::Range<usize> {
        self.basic + 3..self.basic + 6
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::message_type::{COMMAND_AMF0, SET_CHUNK_SIZE, WINDOW_ACKNOWLEDGEMENT_SIZE};
    use super::super::chunk::{Reader, write_message};
    use super::super::handshake::HANDSHAKE_LENGTH;
    use super::super::limits::Limits;
    use super::super::session::{Event, Session};
    use super::*;

    const EDGE: Application = Application { app: None, ..Application::DEFAULT };

    fn edge() -> Application {
        Application { app: Some("edge".to_owned()), ..EDGE }
    }

    /// A session that has read the connect in `bytes`, which start with the handshake, and the connect.
    fn session(bytes: &[u8]) -> (Session, Connect) {
        let mut session = Session::new(Limits::default());
        let mut input = bytes;
        match session.receive(&mut input, &mut Vec::new()) {
            Ok(Some(Event::Connect(connect))) => (session, connect),
            other => panic!("{other:?}"),
        }
    }

    /// The connect in `bytes` after it is rewritten, and the rewritten bytes after the handshake.
    fn rewritten(bytes: &[u8]) -> Result<(Connect, Vec<u8>), Error> {
        let (before, connect) = session(bytes);
        let mut received = bytes[HANDSHAKE_LENGTH..].to_vec();
        rewrite_app(&mut received, before.chunks().unwrap(), &connect, &edge())?;
        let (_, after) = session(&[&bytes[..HANDSHAKE_LENGTH], &received].concat());
        Ok((after, received))
    }

    const FFMPEG: &[u8] = include_bytes!("fixtures/ffmpeg-5.1-publish.bin");
    const RTMPDUMP: &[u8] = include_bytes!("fixtures/rtmpdump-2.4-play-with-query.bin");
    const GSTREAMER: &[u8] = include_bytes!("fixtures/gstreamer-1.22-rtmp2src-ipv6.bin");

    #[test]
    fn only_the_application_of_a_real_client_is_rewritten() {
        for (bytes, app, tc_url) in [
            (FFMPEG, "edge", "rtmp://127.0.0.1:45085/edge"),
            (RTMPDUMP, "edge?key=1", "rtmp://127.0.0.1:37853/edge?key=1"),
            (GSTREAMER, "edge", "rtmp://[::1]:60395/edge"),
        ] {
            let (_, before) = session(bytes);
            let (after, _) = rewritten(bytes).unwrap();
            assert_eq!((&after.app[..], after.tc_url.as_deref()), (app, Some(tc_url)));
            assert_eq!(after, Connect { app: after.app.clone(), tc_url: after.tc_url.clone(), ..before });
        }
    }

    #[test]
    fn without_a_configured_application_nothing_is_rewritten() {
        let (session, connect) = session(FFMPEG);
        let mut received = FFMPEG[HANDSHAKE_LENGTH..].to_vec();
        assert_eq!(rewrite_app(&mut received, session.chunks().unwrap(), &connect, &EDGE), Ok(()));
        assert_eq!(received, FFMPEG[HANDSHAKE_LENGTH..]);
    }

    #[test]
    fn messages_before_and_after_the_connect_are_kept() {
        let mut before = Vec::new();
        write_message(&mut before, 2, SET_CHUNK_SIZE, 0, &60u32.to_be_bytes());
        let mut payload = Vec::new();
        Writer::new(&mut payload).string("connect").number(1.0).object(|object| {
            object.name("app").string("live/inst?a=b").name("flashVer").string(&"x".repeat(100));
        });
        // A chunk stream ID of two bytes, an extended timestamp, and chunks of 60 bytes.
        let continuation = [&[0xc0, 10][..], &[1, 2, 3, 4]].concat();
        let header =
            |length: usize| [&[0, 10, 255, 255, 255, 0, 0, length as u8, 20, 0, 0, 0, 0, 1, 2, 3, 4][..]].concat();
        let mut connect = header(payload.len());
        write_payload(&mut connect, &payload, 60, &continuation);
        let mut after = Vec::new();
        write_message(&mut after, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
        let bytes = [&FFMPEG[..HANDSHAKE_LENGTH], &before, &connect, &after].concat();

        let (rewritten, received) = rewritten(&bytes).unwrap();
        assert_eq!(rewritten.app, "edge?a=b");
        assert!(received.starts_with(&before) && received.ends_with(&after));
        let mut reader = Reader::new(Limits::default());
        let mut rest = &received[..];
        let connect = reader.receive(&mut rest).unwrap().unwrap();
        assert_eq!((connect.type_id, connect.payload.len()), (COMMAND_AMF0, payload.len() - 5));
        assert_eq!(rest, after);
    }

    #[test]
    fn a_connect_with_another_message_between_its_chunks_is_rejected() {
        let connect = &FFMPEG[HANDSHAKE_LENGTH..];
        let mut between = Vec::new();
        write_message(&mut between, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
        let first_chunk = connect.iter().position(|byte| *byte == 0xc3).unwrap();
        let received = [&connect[..first_chunk], &between, &connect[first_chunk..]].concat();
        assert_eq!(rewritten(&[&FFMPEG[..HANDSHAKE_LENGTH], &received].concat()), Err(Error));
    }
}
