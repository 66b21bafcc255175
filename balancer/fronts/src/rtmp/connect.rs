//! The connect command, which names the client's application and describes the client (RTMP 1.0, section 7.2.1.1).

use super::amf0::{self, Reader, Value};
use super::chunk::Message;
use super::encoding::{CommandEncoding, ObjectEncoding};

/// Maximum length of a text in a connect, in bytes. FFmpeg sends at most 1,024; the rest is room for long signatures in
/// the query.
pub const MAX_TEXT_LENGTH: usize = 4096;

/// A client's connect command.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// The transaction ID, which the response must repeat. The specification requires 1.
    pub transaction: f64,
    /// The application, as sent: may end in `/`, or hold an instance (`app/instance`) or a query (`app?query`).
    /// At most [`MAX_TEXT_LENGTH`] bytes without control characters.
    pub app: String,
    /// The URL that the client connects to, without the name of the stream, as sent: see [`super::TcUrl`]. At most
    /// [`MAX_TEXT_LENGTH`] bytes without control characters. The specification requires it; some libraries omit it.
    pub tc_url: Option<String>,
    /// `flashVer`, which distinguishes clients. Most publishers send one that begins with `FMLE/`; some clients send
    /// none.
    pub flash_version: Option<String>,
    /// `swfUrl`: where the player was loaded from. Flash always sends it, other clients only if configured to.
    pub swf_url: Option<String>,
    /// `pageUrl`: the web page that the player is on. Sent by Flash players and by clients that imitate them.
    pub page_url: Option<String>,
    /// `capabilities`, if it is a number. Flash has sent 239 since version 10; most clients that imitate it send 15.
    pub capabilities: Option<f64>,
    /// The encoding that the client requests for later commands.
    pub object_encoding: ObjectEncoding,
    /// `srs_sig` of the third argument: the client is an SRS edge, which also follows a redirect at play.
    pub srs_signature: Option<String>,
    /// The encoding of the connect itself, and so of its response.
    pub encoding: CommandEncoding,
}

/// Why a message is not a valid connect. The text is sent to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message is not a command, but media or data before the session is established.
    #[error("connect expected, but message type {type_id} came")]
    NotACommand {
        /// Its type.
        type_id: u8,
    },

    /// The command has another name, or none.
    #[error("connect expected, but another command came")]
    NotConnect,

    /// The second value is not a number, so the command cannot be answered.
    #[error("connect without a transaction number")]
    NoTransaction,

    /// `app` is missing, or `app` or `tcUrl` is not a string.
    #[error("connect without {field}")]
    Missing {
        /// The field's name.
        field: &'static str,
    },

    /// `app` or `tcUrl` is longer than [`MAX_TEXT_LENGTH`].
    #[error("{field} too long: at most {MAX_TEXT_LENGTH} bytes")]
    TextTooLong {
        /// The field's name.
        field: &'static str,
    },

    /// `app` or `tcUrl` is not UTF-8 or contains control characters, and so cannot be repeated in a redirect.
    #[error("{field} is not plain UTF-8 text")]
    NotText {
        /// The field's name.
        field: &'static str,
    },

    /// The values are not valid AMF0.
    #[error(transparent)]
    Amf0(#[from] amf0::Error),
}

impl Connect {
    /// Parses the first command of a connection.
    ///
    /// If a property occurs twice, the last one counts. `flashVer`, `swfUrl`, `pageUrl` and `srs_sig` are hints: a
    /// value that would be invalid as `app` is treated as absent. Values after the third argument are ignored.
    ///
    /// # Errors
    ///
    /// [`Error`] if the message is not a valid connect.
    pub fn parse(message: &Message) -> Result<Self, Error> {
        let Some((encoding, values)) = CommandEncoding::split(message) else {
            return Err(Error::NotACommand { type_id: message.type_id });
        };
        let mut reader = Reader::new(values);
        if reader.value()? != Value::String(b"connect") {
            return Err(Error::NotConnect);
        }
        let Value::Number(transaction) = reader.value()? else {
            return Err(Error::NoTransaction);
        };

        let mut app = Value::Null;
        let mut tc_url = Value::Null;
        let mut flash_version = Value::Null;
        let mut swf_url = Value::Null;
        let mut page_url = Value::Null;
        let mut capabilities = Value::Null;
        let mut object_encoding = Value::Null;
        reader.properties(|name, value| match name {
            b"app" => app = value,
            b"tcUrl" => tc_url = value,
            b"flashVer" => flash_version = value,
            b"swfUrl" => swf_url = value,
            b"pageUrl" => page_url = value,
            b"capabilities" => capabilities = value,
            b"objectEncoding" => object_encoding = value,
            _ => {}
        })?;

        let mut srs_signature = Value::Null;
        if !reader.is_empty() {
            reader.properties(|name, value| {
                if name == b"srs_sig" {
                    srs_signature = value;
                }
            })?;
        }

        Ok(Self {
            transaction,
            app: text("app", app)?,
            tc_url: match tc_url {
                Value::Null => None,
                value => Some(text("tcUrl", value)?),
            },
            flash_version: text("flashVer", flash_version).ok(),
            swf_url: text("swfUrl", swf_url).ok(),
            page_url: text("pageUrl", page_url).ok(),
            capabilities: match capabilities {
                Value::Number(number) => Some(number),
                _ => None,
            },
            object_encoding: match object_encoding {
                Value::Number(3.0) => ObjectEncoding::Amf3,
                _ => ObjectEncoding::Amf0,
            },
            srs_signature: text("srs_sig", srs_signature).ok(),
            encoding,
        })
    }
}

/// Returns the text of the field `field`, if it is a string of plain UTF-8 within [`MAX_TEXT_LENGTH`].
pub(super) fn text(field: &'static str, value: Value<'_>) -> Result<String, Error> {
    let Value::String(bytes) = value else {
        return Err(Error::Missing { field });
    };
    if bytes.len() > MAX_TEXT_LENGTH {
        return Err(Error::TextTooLong { field });
    }
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(Error::NotText { field }),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::amf0::Writer;
    use super::super::chunk::message_type::{COMMAND_AMF0, COMMAND_AMF3};
    use super::*;

    /// A minimal connect to the application `app`.
    pub(in super::super) fn connect(app: &str) -> Connect {
        Connect {
            transaction: 1.0,
            app: app.to_owned(),
            tc_url: None,
            flash_version: None,
            swf_url: None,
            page_url: None,
            capabilities: None,
            object_encoding: ObjectEncoding::Amf0,
            srs_signature: None,
            encoding: CommandEncoding::Amf0,
        }
    }

    fn message(type_id: u8, payload: Vec<u8>) -> Message {
        Message { type_id, stream_id: 0, payload }
    }

    /// A connect with the strings `fields` in its object, followed by what `more` writes.
    fn command(fields: &[(&'static str, &str)], more: impl FnOnce(&mut Writer<'_>)) -> Message {
        let mut payload = Vec::new();
        let mut writer = Writer::new(&mut payload);
        writer.string("connect").number(1.0).object(|object| {
            for (name, value) in fields {
                object.name(name).string(value);
            }
        });
        more(&mut writer);
        message(COMMAND_AMF0, payload)
    }

    fn parse(fields: &[(&'static str, &str)]) -> Result<Connect, Error> {
        Connect::parse(&command(fields, |_| {}))
    }

    const APP: (&str, &str) = ("app", "live");
    const TC_URL: (&str, &str) = ("tcUrl", "rtmp://balancer/live");

    #[test]
    fn a_minimal_connect_has_only_an_app() {
        assert_eq!(parse(&[APP]), Ok(connect("live")));
    }

    #[test]
    fn every_property_of_a_flash_player_s_connect_is_parsed() {
        let mut payload = Vec::new();
        Writer::new(&mut payload).string("connect").number(7.0).object(|object| {
            object.name("app").string("live?token=a");
            object.name("flashVer").string("WIN 32,0,0,465");
            object.name("swfUrl").string("http://player/p.swf");
            object.name("tcUrl").string("rtmp://balancer/live?token=a");
            object.name("capabilities").number(239.0);
            object.name("audioCodecs").number(3575.0);
            object.name("pageUrl").string("http://page/");
            object.name("objectEncoding").number(3.0);
        });
        let connect = Connect::parse(&message(COMMAND_AMF0, payload)).unwrap();
        assert_eq!(connect.transaction.to_bits(), 7f64.to_bits());
        assert_eq!(connect.app, "live?token=a");
        let tc_url = "rtmp://balancer/live?token=a";
        assert_eq!(connect.tc_url.as_deref(), Some(tc_url));
        assert_eq!(connect.flash_version.as_deref(), Some("WIN 32,0,0,465"));
        assert_eq!(connect.swf_url.as_deref(), Some("http://player/p.swf"));
        assert_eq!(connect.page_url.as_deref(), Some("http://page/"));
        assert_eq!(connect.capabilities, Some(239.0));
        assert_eq!(connect.object_encoding, ObjectEncoding::Amf3);
    }

    #[test]
    fn a_connect_in_an_amf3_message_is_parsed() {
        let plain = command(&[APP, TC_URL], |_| {});
        let wrapped = message(COMMAND_AMF3, [&[0], &plain.payload[..]].concat());
        let expected = Connect { encoding: CommandEncoding::Amf3, ..Connect::parse(&plain).unwrap() };
        assert_eq!(Connect::parse(&wrapped).as_ref(), Ok(&expected));
        let bare = message(COMMAND_AMF3, plain.payload.clone());
        assert_eq!(Connect::parse(&bare), Ok(expected));
    }

    #[test]
    fn the_signature_of_an_srs_edge_is_read_from_the_third_argument() {
        let signed = command(&[APP, TC_URL], |writer| {
            writer.object(|object| {
                object.name("srs_sig").string("SRS");
            });
        });
        let connect = Connect::parse(&signed).unwrap();
        assert_eq!(connect.srs_signature.as_deref(), Some("SRS"));
        let other = command(&[APP, TC_URL, ("srs_sig", "SRS")], |writer| {
            writer.string("user").object(|object| {
                object.name("srs_sig").string("SRS");
            });
        });
        assert_eq!(Connect::parse(&other).unwrap().srs_signature, None);
    }

    #[test]
    fn the_last_of_two_properties_with_one_name_counts() {
        let connect = parse(&[APP, TC_URL, ("app", "vod")]).unwrap();
        assert_eq!(connect.app, "vod");
    }

    #[test]
    fn media_before_connect_is_rejected() {
        for type_id in [8, 9, 15, 18, 0, 255] {
            let result = Connect::parse(&message(type_id, Vec::new()));
            assert_eq!(result, Err(Error::NotACommand { type_id }));
        }
    }

    #[test]
    fn another_command_is_rejected() {
        for bytes in [&b"\x02\0\x04play"[..], b"\x05", b"\x03\0\0\x09"] {
            let result = Connect::parse(&message(COMMAND_AMF0, bytes.to_vec()));
            assert_eq!(result, Err(Error::NotConnect));
        }
    }

    #[test]
    fn a_connect_without_a_transaction_id_is_rejected() {
        let result = Connect::parse(&message(COMMAND_AMF0, b"\x02\0\x07connect\x05".to_vec()));
        assert_eq!(result, Err(Error::NoTransaction));
    }

    #[test]
    fn app_is_required_and_app_and_tc_url_must_be_strings() {
        let missing = |field| Err(Error::Missing { field });
        assert_eq!(parse(&[TC_URL]), missing("app"));
        for (name, expected) in [("app", missing("app")), ("tcUrl", missing("tcUrl"))] {
            let mut payload = Vec::new();
            let mut writer = Writer::new(&mut payload);
            writer.string("connect").number(1.0).object(|object| {
                object.name("app").string("live").name(name).number(1.0);
            });
            let result = Connect::parse(&message(COMMAND_AMF0, payload));
            assert_eq!(result, expected);
        }
        let null = b"\x02\0\x07connect\0\x3f\xf0\0\0\0\0\0\0\x05";
        let result = Connect::parse(&message(COMMAND_AMF0, null.to_vec()));
        assert_eq!(result, missing("app"));
    }

    #[test]
    fn texts_are_at_most_4096_bytes_long() {
        let longest = "a".repeat(MAX_TEXT_LENGTH);
        assert_eq!(parse(&[("app", &longest), TC_URL]).unwrap().app, longest);
        let field = "tcUrl";
        let longer = "a".repeat(MAX_TEXT_LENGTH + 1);
        assert_eq!(parse(&[APP, (field, &longer)]), Err(Error::TextTooLong { field }));
    }

    #[test]
    fn texts_that_cannot_be_repeated_in_a_redirect_are_rejected() {
        let field = "app";
        for bad in ["live\r\nSet-Cookie: a", "\0", "\u{85}"] {
            assert_eq!(parse(&[(field, bad), TC_URL]), Err(Error::NotText { field }));
        }
        let mut not_utf8 = command(&[APP, TC_URL], |_| {});
        let at = not_utf8.payload.windows(4).position(|part| part == b"live");
        not_utf8.payload[at.unwrap()] = 0xff;
        assert_eq!(Connect::parse(&not_utf8), Err(Error::NotText { field }));
    }

    #[test]
    fn an_invalid_hint_is_ignored() {
        let long = "a".repeat(MAX_TEXT_LENGTH + 1);
        let connect = parse(&[APP, TC_URL, ("pageUrl", &long), ("flashVer", "\n")]).unwrap();
        assert_eq!(connect.page_url, None);
        assert_eq!(connect.flash_version, None);
    }

    #[test]
    fn malformed_amf0_is_rejected() {
        let mut cut = command(&[APP, TC_URL], |_| {});
        cut.payload.pop();
        assert!(matches!(Connect::parse(&cut), Err(Error::Amf0(amf0::Error::Truncated { .. }))));
        let mut third = command(&[APP, TC_URL], |_| {});
        third.payload.push(0x07);
        assert!(matches!(Connect::parse(&third), Err(Error::Amf0(amf0::Error::Reference { .. }))));
    }
}
