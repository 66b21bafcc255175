//! The rejection of a connect, with the URL of another server or without.
//!
//! This is the only form that suits every client. Flash players read `ex.redirect` if the number `ex.code` is 302. SRS
//! edges read `redirect2` before `redirect`. librtmp follows no redirect, and gives up once the `close` command and the
//! end of the connection follow; on a connection that stays open it would wait for ever.

use super::amf0::Writer;
use super::chunk::message_type::COMMAND_AMF0;
use super::chunk::write_message;
use super::chunk::writer::COMMAND_CHUNK_STREAM;

/// The status code of a rejected connect. Section 7.2.1.1 leaves its name to the server.
const CODE: &str = "NetConnection.Connect.Rejected";

/// The `ex.code` at which a player follows the redirect, as in HTTP.
const FOUND: f64 = 302.0;

/// The maximum length of a description, in bytes, that is safe with every known client.
const MAX_DESCRIPTION_LENGTH: usize = 255;

/// The URLs of the server to which a client is redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect<'a> {
    /// The URL to connect to, with the query of the client's own URL, without the name of the stream.
    pub connect_url: &'a str,
    /// The same with the name of the stream, if it is known. At connect it seldom is.
    pub stream_url: Option<&'a str>,
}

/// Appends the rejection of a connect to `output`: `_error`, then `close`. The caller must then shut down the
/// connection for writing.
///
/// `transaction` is the connect's. `description` must not contain text from the client: some clients search it for
/// phrases that make them authenticate again. It is truncated to 255 bytes.
pub fn write_rejection(output: &mut Vec<u8>, transaction: f64, description: &str, redirect: Option<Redirect<'_>>) {
    let mut payload = Vec::with_capacity(512);
    let mut writer = Writer::new(&mut payload);
    writer.string("_error").number(transaction).null();
    write_rejection_values(&mut writer, description, redirect);
    write_command(output, &payload);
    write_close(output);
}

/// Appends the information object: the reason for the rejection, and the redirect.
pub(super) fn write_rejection_values(writer: &mut Writer<'_>, description: &str, redirect: Option<Redirect<'_>>) {
    let end = description.floor_char_boundary(MAX_DESCRIPTION_LENGTH);
    writer.object(|information| {
        information.name("level").string("error");
        information.name("code").string(CODE);
        information.name("description").string(&description[..end]);
        if let Some(redirect) = redirect {
            // Last, as in the rejections that players were written against.
            information.name("ex").object(|ex| write_ex(ex, redirect));
        }
    });
}

/// Appends the command that ends the connection.
pub(super) fn write_close(output: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(18);
    Writer::new(&mut payload).string("close").number(0.0).null();
    write_command(output, &payload);
}

fn write_ex(ex: &mut Writer<'_>, redirect: Redirect<'_>) {
    ex.name("code").number(FOUND);
    ex.name("redirect").string(redirect.connect_url);
    if let Some(url) = redirect.stream_url {
        ex.name("redirect2").string(url);
    }
}

fn write_command(output: &mut Vec<u8>, payload: &[u8]) {
    write_message(output, COMMAND_CHUNK_STREAM, COMMAND_AMF0, 0, payload);
}

#[cfg(test)]
mod tests {
    use rml_amf0::Amf0Value;
    use rml_rtmp::chunk_io::ChunkDeserializer;

    use super::*;

    const EDGE: Redirect<'_> = Redirect { connect_url: "rtmp://edge:1935/live?a=b", stream_url: None };

    fn rejection(description: &str, redirect: Option<Redirect<'_>>) -> Vec<u8> {
        let mut output = Vec::new();
        write_rejection(&mut output, 1.0, description, redirect);
        output
    }

    const CLOSE: &[u8] = b"\x03\0\0\0\0\0\x12\x14\0\0\0\0\x02\0\x05close\0\0\0\0\0\0\0\0\0\x05";

    #[test]
    fn a_redirect_has_exactly_these_bytes() {
        let payload = [
            &b"\x02\0\x06_error\0\x3f\xf0\0\0\0\0\0\0\x05\x03"[..],
            b"\0\x05level\x02\0\x05error",
            b"\0\x04code\x02\0\x1eNetConnection.Connect.Rejected",
            b"\0\x0bdescription\x02\0\x05moved",
            b"\0\x02ex\x03",
            b"\0\x04code\0\x40\x72\xe0\0\0\0\0\0",
            b"\0\x08redirect\x02\0\x19rtmp://edge:1935/live?a=b",
            b"\0\0\x09\0\0\x09",
        ]
        .concat();
        assert_eq!(payload.len(), 0x9f);
        let expected = [b"\x03\0\0\0\0\0\x9f\x14\0\0\0\0", &payload[..128], b"\xc3", &payload[128..], CLOSE].concat();
        assert_eq!(rejection("moved", Some(EDGE)), expected);
    }

    #[test]
    fn a_rejection_without_a_redirect_has_no_ex() {
        let payload = [
            &b"\x02\0\x06_error\0\x3f\xf0\0\0\0\0\0\0\x05\x03"[..],
            b"\0\x05level\x02\0\x05error",
            b"\0\x04code\x02\0\x1eNetConnection.Connect.Rejected",
            b"\0\x0bdescription\x02\0\x04full",
            b"\0\0\x09",
        ]
        .concat();
        assert_eq!(payload.len(), 0x61);
        let expected = [b"\x03\0\0\0\0\0\x61\x14\0\0\0\0", &payload[..], CLOSE].concat();
        assert_eq!(rejection("full", None), expected);
    }

    /// The commands in `bytes`, as decoded by `rml_rtmp` and `rml_amf0`.
    fn commands(bytes: &[u8]) -> Vec<Vec<Amf0Value>> {
        let mut deserializer = ChunkDeserializer::new();
        let mut next = deserializer.get_next_message(bytes).unwrap();
        let mut commands = Vec::new();
        while let Some(message) = next {
            assert_eq!((message.type_id, message.message_stream_id), (20, 0));
            commands.push(rml_amf0::deserialize(&mut &message.data[..]).unwrap());
            next = deserializer.get_next_message(&[]).unwrap();
        }
        commands
    }

    #[test]
    fn another_implementation_reads_a_redirect_to_a_stream() {
        let stream_url = "rtmp://edge:1935/live/stream?a=b";
        let redirect = Redirect { stream_url: Some(stream_url), ..EDGE };
        let mut commands = commands(&rejection("moved", Some(redirect)));
        let close = commands.pop().unwrap();
        assert_eq!(close, [Amf0Value::Utf8String("close".to_owned()), Amf0Value::Number(0.0), Amf0Value::Null]);
        let mut error = commands.pop().unwrap();
        let mut information = error.pop().unwrap().get_object_properties().unwrap();
        let ex = information.remove("ex").unwrap();
        let ex = ex.get_object_properties().unwrap();
        let text = |text: &str| Amf0Value::Utf8String(text.to_owned());
        assert_eq!(ex.len(), 3);
        assert_eq!(ex["code"], Amf0Value::Number(302.0));
        assert_eq!(ex["redirect"], text(EDGE.connect_url));
        assert_eq!(ex["redirect2"], text(stream_url));
        assert_eq!(information.len(), 3);
        assert_eq!(information["level"], text("error"));
        assert_eq!(information["code"], text(CODE));
        assert_eq!(information["description"], text("moved"));
        assert_eq!(error, [text("_error"), Amf0Value::Number(1.0), Amf0Value::Null]);
        assert!(commands.is_empty());
    }

    #[test]
    fn the_transaction_id_is_the_connect_s_bit_for_bit() {
        let mut output = Vec::new();
        write_rejection(&mut output, 2.5, "no", None);
        assert_eq!(output[12 + 9..12 + 18], *b"\0\x40\x04\0\0\0\0\0\0");
    }

    #[test]
    fn a_description_is_truncated_to_255_bytes_at_a_character_boundary() {
        let long = "é".repeat(200);
        assert_eq!(rejection(&long, None), rejection(&"é".repeat(127), None));
    }
}
