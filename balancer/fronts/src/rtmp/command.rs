//! What a client says after its connect was accepted (RTMP 1.0, sections 7.2.1 and 7.2.2).

use super::amf0::{Reader, Value};
use super::chunk::Message;
use super::connect::{Wrapping, text};

/// A command.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What is wanted.
    pub call: Call,
    /// What an answer must repeat; 0 when none is wanted.
    pub transaction: f64,
    /// How the command came, and is to be answered.
    pub wrapping: Wrapping,
    /// The message stream that it came on: 0 is the connection's own.
    pub stream_id: u32,
}

/// What a command wants, as far as it matters before a client has its edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `createStream`: the number of a new message stream.
    CreateStream,
    /// `getLoadBalancerRedirect`: the host of the least loaded edge.
    LoadBalancerRedirect,
    /// A command about a stream that is named.
    Stream(Wanted),
    /// Any other, or none that can be read.
    Other,
}

/// A stream that a client names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What it wants with it.
    pub purpose: Purpose,
    /// Whether this is the command that begins it, `play` or `publish`; some clients name the stream before.
    pub begins: bool,
    /// The stream, as sent, with a query if it has one: at most [`super::connect::MAX_TEXT_LENGTH`] bytes without
    /// control characters; `None` when it is not such a text.
    pub name: Option<String>,
}

/// What a client wants with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To play it.
    Play,
    /// To publish it.
    Publish,
}

impl Command {
    /// Reads a command; `None` if the message is none.
    ///
    /// What cannot be read is taken for absent: whoever answers for good, an edge, can read more than this front.
    pub fn read(message: &Message) -> Option<Self> {
        let (wrapping, values) = Wrapping::unwrap(message)?;
        let mut reader = Reader::new(values);
        let mut value = || reader.value().unwrap_or(Value::Nothing);
        let name = value();
        let transaction = match value() {
            Value::Number(number) => number,
            _ => 0.0,
        };
        let call = match name {
            Value::String(name) => {
                let _no_object = value();
                Call::of(name, value())
            }
            _ => Call::Other,
        };
        Some(Self { call, transaction, wrapping, stream_id: message.stream_id })
    }
}

impl Call {
    fn of(name: &[u8], argument: Value<'_>) -> Self {
        let (purpose, begins) = match name {
            b"createStream" => return Self::CreateStream,
            b"getLoadBalancerRedirect" => return Self::LoadBalancerRedirect,
            b"play" | b"play2" => (Purpose::Play, true),
            // Sent ahead by FFmpeg and librtmp.
            b"FCSubscribe" | b"getStreamLength" => (Purpose::Play, false),
            b"publish" => (Purpose::Publish, true),
            // Sent ahead by everything that poses as Flash Media Encoder.
            b"releaseStream" | b"FCPublish" => (Purpose::Publish, false),
            _ => return Self::Other,
        };
        let name = text("stream", argument).ok().filter(|name| !name.is_empty());
        Self::Stream(Wanted { purpose, begins, name })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::amf0::Writer;
    use super::super::chunk::message_type::{COMMAND_AMF0, COMMAND_AMF3};
    use super::*;

    /// The payload of a command with this one argument.
    pub(in super::super) fn payload(name: &str, transaction: f64, argument: Option<&str>) -> Vec<u8> {
        let mut payload = Vec::new();
        let mut writer = Writer::new(&mut payload);
        writer.string(name).number(transaction).null();
        if let Some(argument) = argument {
            writer.string(argument);
        }
        payload
    }

    fn read(type_id: u8, payload: Vec<u8>) -> Option<Command> {
        Command::read(&Message { type_id, stream_id: 1, payload })
    }

    fn call(name: &str, argument: Option<&str>) -> Call {
        read(COMMAND_AMF0, payload(name, 2.0, argument)).unwrap().call
    }

    fn stream(purpose: Purpose, begins: bool, name: Option<&str>) -> Call {
        Call::Stream(Wanted { purpose, begins, name: name.map(str::to_owned) })
    }

    #[test]
    fn commands_that_matter_are_known() {
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
    fn a_name_that_is_none_is_absent() {
        for name in [None, Some(""), Some("a\nb")] {
            assert_eq!(call("play", name), stream(Purpose::Play, true, None));
        }
    }

    #[test]
    fn a_command_is_read_as_it_came() {
        let values = payload("createStream", 7.0, None);
        let expected = Command { call: Call::CreateStream, transaction: 7.0, wrapping: Wrapping::Amf3, stream_id: 1 };
        assert_eq!(read(COMMAND_AMF3, [&[0], &values[..]].concat()), Some(expected));
        assert_eq!(read(9, values), None, "a picture is no command");
    }

    #[test]
    fn what_cannot_be_read_is_another_command_without_a_transaction() {
        for bytes in [&b""[..], b"\x11\x06", b"\x05", b"\x02\0\x09play"] {
            let command = read(COMMAND_AMF0, bytes.to_vec()).unwrap();
            assert_eq!((command.call, command.transaction), (Call::Other, 0.0));
        }
        let cut = payload("play", 3.0, Some("camera"));
        let command = read(COMMAND_AMF0, cut[..cut.len() - 1].to_vec()).unwrap();
        assert_eq!((command.call, command.transaction), (stream(Purpose::Play, true, None), 3.0));
    }
}
