//! The commands that follow an accepted connect (RTMP 1.0, sections 7.2.1 and 7.2.2).

use super::amf0::{Reader, Value};
use super::chunk::Message;
use super::connect::text;
use super::encoding::CommandEncoding;

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The procedure that is called.
    pub call: Call,
    /// The transaction ID, which the response must repeat; 0 if no response is expected.
    pub transaction: f64,
    /// The encoding of the command, and so of its response.
    pub encoding: CommandEncoding,
    /// The message stream that it was sent on; 0 is the connection itself.
    pub stream_id: u32,
}

/// The procedures that matter before a client has an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `createStream`: requests a new message stream.
    CreateStream,
    /// `getLoadBalancerRedirect`: requests the host of the least loaded edge.
    LoadBalancerRedirect,
    /// A procedure that names a stream.
    Stream(StreamCall),
    /// Any other, or an invalid one.
    Other,
}

/// A call that names a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCall {
    /// Whether the client plays or publishes the stream.
    pub purpose: Purpose,
    /// Whether this call starts the stream, as `play` and `publish` do. Some clients name the stream in earlier calls.
    pub starts: bool,
    /// The name of the stream, as sent, with its query if there is one: at most [`super::connect::MAX_TEXT_LENGTH`]
    /// bytes without control characters. `None` if the argument is not such a text.
    pub name: Option<String>,
}

/// The purpose that a client has for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To play it.
    Play,
    /// To publish it.
    Publish,
}

impl Command {
    /// Parses a command; `None` if the message is not a command message.
    ///
    /// Values that are not valid are treated as absent. The edge has the last word on them, and may understand more
    /// than this parser does.
    pub fn parse(message: &Message) -> Option<Self> {
        let (encoding, values) = CommandEncoding::split(message)?;
        let mut reader = Reader::new(values);
        let mut value = || reader.value().unwrap_or(Value::Null);
        let name = value();
        let transaction = match value() {
            Value::Number(number) => number,
            _ => 0.0,
        };
        let call = match name {
            Value::String(name) => {
                let _command_object = value();
                Call::of(name, value())
            }
            _ => Call::Other,
        };
        Some(Self { call, transaction, encoding, stream_id: message.stream_id })
    }
}

impl Call {
    fn of(name: &[u8], argument: Value<'_>) -> Self {
        let (purpose, starts) = match name {
            b"createStream" => return Self::CreateStream,
            b"getLoadBalancerRedirect" => return Self::LoadBalancerRedirect,
            b"play" | b"play2" => (Purpose::Play, true),
            // Sent before `play` by FFmpeg and librtmp.
            b"FCSubscribe" | b"getStreamLength" => (Purpose::Play, false),
            b"publish" => (Purpose::Publish, true),
            // Sent before `publish` by every client that imitates Flash Media Live Encoder.
            b"releaseStream" | b"FCPublish" => (Purpose::Publish, false),
            _ => return Self::Other,
        };
        let name = text("stream", argument).ok().filter(|name| !name.is_empty());
        Self::Stream(StreamCall { purpose, starts, name })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::amf0::Writer;
    use super::super::chunk::message_type::{COMMAND_AMF0, COMMAND_AMF3};
    use super::*;

    /// The payload of a command with one argument, or none.
    pub(in super::super) fn payload(name: &str, transaction: f64, argument: Option<&str>) -> Vec<u8> {
        let mut payload = Vec::new();
        let mut writer = Writer::new(&mut payload);
        writer.string(name).number(transaction).null();
        if let Some(argument) = argument {
            writer.string(argument);
        }
        payload
    }

    fn parse(type_id: u8, payload: Vec<u8>) -> Option<Command> {
        Command::parse(&Message { type_id, stream_id: 1, payload })
    }

    fn call(name: &str, argument: Option<&str>) -> Call {
        parse(COMMAND_AMF0, payload(name, 2.0, argument)).unwrap().call
    }

    fn stream(purpose: Purpose, starts: bool, name: Option<&str>) -> Call {
        Call::Stream(StreamCall { purpose, starts, name: name.map(str::to_owned) })
    }

    #[test]
    fn each_procedure_is_recognised_by_its_name() {
        assert_eq!(call("createStream", None), Call::CreateStream);
        assert_eq!(call("getLoadBalancerRedirect", None), Call::LoadBalancerRedirect);
        let name = Some("camera?token=a");
        assert_eq!(call("play", name), stream(Purpose::Play, true, name));
        assert_eq!(call("FCSubscribe", name), stream(Purpose::Play, false, name));
        assert_eq!(call("getStreamLength", name), stream(Purpose::Play, false, name));
        assert_eq!(call("publish", name), stream(Purpose::Publish, true, name));
        assert_eq!(call("releaseStream", name), stream(Purpose::Publish, false, name));
        assert_eq!(call("FCPublish", name), stream(Purpose::Publish, false, name));
        assert_eq!(call("_checkbw", None), Call::Other);
    }

    #[test]
    fn an_invalid_stream_name_is_treated_as_absent() {
        for name in [None, Some(""), Some("a\nb")] {
            assert_eq!(call("play", name), stream(Purpose::Play, true, None));
        }
    }

    #[test]
    fn a_command_keeps_its_encoding_and_stream() {
        let values = payload("createStream", 7.0, None);
        let encoding = CommandEncoding::Amf3;
        let expected = Command { call: Call::CreateStream, transaction: 7.0, encoding, stream_id: 1 };
        assert_eq!(parse(COMMAND_AMF3, [&[0], &values[..]].concat()), Some(expected));
        assert_eq!(parse(9, values), None, "video is not a command");
    }

    #[test]
    fn a_malformed_command_is_an_unknown_call_without_a_transaction() {
        for bytes in [&b""[..], b"\x11\x06", b"\x05", b"\x02\0\x09play"] {
            let command = parse(COMMAND_AMF0, bytes.to_vec()).unwrap();
            assert_eq!((command.call, command.transaction), (Call::Other, 0.0));
        }
        let cut = payload("play", 3.0, Some("camera"));
        let command = parse(COMMAND_AMF0, cut[..cut.len() - 1].to_vec()).unwrap();
        assert_eq!((command.call, command.transaction), (stream(Purpose::Play, true, None), 3.0));
    }
}
