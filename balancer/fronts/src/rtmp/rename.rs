//! Another application in a connect that is passed on.

use super::amf0::Writer;
use super::chunk::write_payload;
use super::{Connect, TcUrl, chunk};
use crate::settings::Application;

/// A connect cannot be changed: it is cut into pieces with other messages between, or its values are not where every
/// client has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the application cannot be renamed in this connect")]
pub(super) struct Error;

/// Changes the application in a connect that was read last from `said` with `chunks`, as a redirect does: in place of the
/// whole path in `app` and `tcUrl`, the queries kept. Nothing happens unless the application wants another.
///
/// What comes later on the same chunk stream may refer to the connect's type, stream and time, which stay. One that would
/// take over its length, by being a command of that very length, is not known to exist.
pub(super) fn rename(
    said: &mut Vec<u8>,
    chunks: &chunk::Reader,
    connect: &Connect,
    application: &Application,
) -> Result<(), Error> {
    let Some(app) = &application.app else { return Ok(()) };
    let chunk::Offsets { header: start, payload } = chunks.offsets();
    let end = chunks.position();
    let header = Header::read(said.get(start..payload).ok_or(Error)?).ok_or(Error)?;
    let old = header.payload(said.get(payload..end).ok_or(Error)?, chunks.chunk_size()).ok_or(Error)?;

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
    said.splice(start..end, written);
    Ok(())
}

/// `text` with this in place of everything between its beginning and its query.
fn with_path(text: &str, server: &str, app: &str) -> String {
    let slash = if server.is_empty() { "" } else { "/" };
    match text.split_once('?') {
        Some((_, query)) => format!("{server}{slash}{app}?{query}"),
        None => format!("{server}{slash}{app}"),
    }
}

/// The payload with another text in the property of this name and text; `None` if there is none.
fn replace(payload: &[u8], name: &'static str, old: &str, new: &str) -> Option<Vec<u8>> {
    let property = |text: &str| {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).name(name).string(text);
        bytes
    };
    let old = property(old);
    let at = payload.windows(old.len()).position(|part| part == old)?;
    Some([&payload[..at], &property(new), &payload[at + old.len()..]].concat())
}

/// The header of a message's first chunk, of type 0 or 1.
#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    bytes: &'a [u8],
    /// How many of them are the basic header.
    basic: usize,
    /// How many, at the end, are an extended timestamp.
    extended: usize,
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
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

    /// The bytes before each chunk but the first: type 3, and the extended timestamp if there is one.
    fn continuation(&self) -> Vec<u8> {
        let mut bytes = self.bytes[..self.basic].to_vec();
        bytes[0] |= 3 << 6;
        bytes.extend_from_slice(&self.bytes[self.bytes.len() - self.extended..]);
        bytes
    }

    /// The payload of a message, out of its chunks; `None` if there are others between them.
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
        self.bytes[self.length_place()].iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
    }

    /// A copy that announces another length; `None` if it has more than 24 bits.
    fn with_length(&self, length: usize) -> Option<Vec<u8>> {
        let [0, length @ ..] = u32::try_from(length).ok()?.to_be_bytes() else { return None };
        let mut bytes = self.bytes.to_vec();
        bytes[self.length_place()].copy_from_slice(&length);
        Some(bytes)
    }

    /// After the timestamp (RTMP 1.0, sections 5.3.1.2.1 and 5.3.1.2.2).
    fn length_place(&self) -> std::ops::Range<usize> {
        self.basic + 3..self.basic + 6
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::message_type::{COMMAND_AMF0, SET_CHUNK_SIZE, WINDOW_ACKNOWLEDGEMENT_SIZE};
    use super::super::chunk::{Reader, write_message};
    use super::super::handshake::HANDSHAKE_LENGTH;
    use super::super::session::Event;
    use super::super::{Limits, Session};
    use super::*;

    const EDGE: Application = Application { app: None, ..Application::DEFAULT };

    fn edge() -> Application {
        Application { app: Some("edge".to_owned()), ..EDGE }
    }

    /// A session that has read the connect in these bytes, handshake included, and the connect.
    fn session(bytes: &[u8]) -> (Session, Connect) {
        let mut session = Session::new(Limits::default());
        let mut input = bytes;
        match session.receive(&mut input, &mut Vec::new()) {
            Ok(Some(Event::Connect(connect))) => (session, connect),
            other => panic!("{other:?}"),
        }
    }

    /// What the connect in these bytes says once it is renamed, and the bytes after the handshake.
    fn renamed(bytes: &[u8]) -> Result<(Connect, Vec<u8>), Error> {
        let (before, connect) = session(bytes);
        let mut said = bytes[HANDSHAKE_LENGTH..].to_vec();
        rename(&mut said, before.chunks().unwrap(), &connect, &edge())?;
        let (_, after) = session(&[&bytes[..HANDSHAKE_LENGTH], &said].concat());
        Ok((after, said))
    }

    const FFMPEG: &[u8] = include_bytes!("fixtures/ffmpeg-5.1-publish.bin");
    const RTMPDUMP: &[u8] = include_bytes!("fixtures/rtmpdump-2.4-play-with-query.bin");
    const GSTREAMER: &[u8] = include_bytes!("fixtures/gstreamer-1.22-rtmp2src-ipv6.bin");

    #[test]
    fn the_application_of_real_clients_is_renamed_and_nothing_else() {
        for (bytes, app, tc_url) in [
            (FFMPEG, "edge", "rtmp://127.0.0.1:45085/edge"),
            (RTMPDUMP, "edge?key=1", "rtmp://127.0.0.1:37853/edge?key=1"),
            (GSTREAMER, "edge", "rtmp://[::1]:60395/edge"),
        ] {
            let (_, before) = session(bytes);
            let (after, _) = renamed(bytes).unwrap();
            assert_eq!((&after.app[..], after.tc_url.as_deref()), (app, Some(tc_url)));
            assert_eq!(after, Connect { app: after.app.clone(), tc_url: after.tc_url.clone(), ..before });
        }
    }

    #[test]
    fn without_another_application_nothing_is_touched() {
        let (session, connect) = session(FFMPEG);
        let mut said = FFMPEG[HANDSHAKE_LENGTH..].to_vec();
        assert_eq!(rename(&mut said, session.chunks().unwrap(), &connect, &EDGE), Ok(()));
        assert_eq!(said, FFMPEG[HANDSHAKE_LENGTH..]);
    }

    #[test]
    fn what_stands_before_and_after_is_left_alone() {
        let mut before = Vec::new();
        write_message(&mut before, 2, SET_CHUNK_SIZE, 0, &60u32.to_be_bytes());
        let mut payload = Vec::new();
        Writer::new(&mut payload).string("connect").number(1.0).object(|object| {
            object.name("app").string("live/inst?a=b").name("flashVer").string(&"x".repeat(100));
        });
        // A chunk stream with a longer header, a time that needs four bytes, and chunks of 60 bytes.
        let continuation = [&[0xc0, 10][..], &[1, 2, 3, 4]].concat();
        let header =
            |length: usize| [&[0, 10, 255, 255, 255, 0, 0, length as u8, 20, 0, 0, 0, 0, 1, 2, 3, 4][..]].concat();
        let mut connect = header(payload.len());
        write_payload(&mut connect, &payload, 60, &continuation);
        let mut after = Vec::new();
        write_message(&mut after, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
        let bytes = [&FFMPEG[..HANDSHAKE_LENGTH], &before, &connect, &after].concat();

        let (renamed, said) = renamed(&bytes).unwrap();
        assert_eq!(renamed.app, "edge?a=b");
        assert!(said.starts_with(&before) && said.ends_with(&after));
        let mut reader = Reader::new(Limits::default());
        let mut rest = &said[..];
        let connect = reader.receive(&mut rest).unwrap().unwrap();
        assert_eq!((connect.type_id, connect.payload.len()), (COMMAND_AMF0, payload.len() - 5));
        assert_eq!(rest, after);
    }

    #[test]
    fn a_connect_with_another_message_inside_is_refused() {
        let connect = &FFMPEG[HANDSHAKE_LENGTH..];
        let mut between = Vec::new();
        write_message(&mut between, 2, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &[0; 4]);
        let first_chunk = connect.iter().position(|byte| *byte == 0xc3).unwrap();
        let said = [&connect[..first_chunk], &between, &connect[first_chunk..]].concat();
        assert_eq!(renamed(&[&FFMPEG[..HANDSHAKE_LENGTH], &said].concat()), Err(Error));
    }
}
