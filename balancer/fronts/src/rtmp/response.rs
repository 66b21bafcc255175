//! The responses to a client whose connect the balancer has accepted.

use super::amf0::Writer;
use super::chunk::message_type::{SET_PEER_BANDWIDTH, USER_CONTROL, WINDOW_ACKNOWLEDGEMENT_SIZE};
use super::chunk::write_message;
use super::chunk::writer::COMMAND_CHUNK_STREAM;
use super::command::{Command, Purpose};
use super::connect::Connect;
use super::encoding::{CommandEncoding, ObjectEncoding};
use super::rejection::{Redirect, write_close, write_rejection_values};

/// The chunk stream of protocol control messages (section 5.4).
const CONTROL_CHUNK_STREAM: u8 = 2;

/// The acknowledgement window in bytes, as media servers commonly announce it. A client that is redirected receives
/// fewer bytes than this, and an edge announces its own window.
const WINDOW: u32 = 2_500_000;

/// The limit type "Dynamic": the client may keep an earlier, smaller limit (section 5.4.5).
const LIMIT_DYNAMIC: u8 = 2;

/// The `fmsVer` of the server, from which players conclude what it supports. nginx-rtmp sends the same; it implies
/// nothing beyond RTMP.
const SERVER_VERSION: &str = "FMS/3,0,1,123";

/// The `capabilities` that servers of this version send.
const SERVER_CAPABILITIES: f64 = 31.0;

/// The transaction ID of a command that expects no response.
const NO_TRANSACTION: f64 = 0.0;

/// Accepts a connect: section 7.2.1.1, with the control messages of its figure 7.
pub fn connect_accepted(output: &mut Vec<u8>, connect: &Connect) {
    let window = WINDOW.to_be_bytes();
    write_message(output, CONTROL_CHUNK_STREAM, WINDOW_ACKNOWLEDGEMENT_SIZE, 0, &window);
    let limit = [&window[..], &[LIMIT_DYNAMIC]].concat();
    write_message(output, CONTROL_CHUNK_STREAM, SET_PEER_BANDWIDTH, 0, &limit);
    // Stream Begin, for the connection itself (section 7.1.7).
    write_message(output, CONTROL_CHUNK_STREAM, USER_CONTROL, 0, &[0; 6]);
    write_values(output, connect.encoding, 0, |values| {
        values.string("_result").number(connect.transaction);
        values.object(|properties| {
            properties.name("fmsVer").string(SERVER_VERSION);
            properties.name("capabilities").number(SERVER_CAPABILITIES);
        });
        values.object(|information| {
            information.name("level").string("status");
            information.name("code").string("NetConnection.Connect.Success");
            information.name("description").string("Connection accepted.");
            let encoding = match connect.object_encoding {
                ObjectEncoding::Amf0 => 0.0,
                ObjectEncoding::Amf3 => 3.0,
            };
            information.name("objectEncoding").number(encoding);
        });
    });
}

/// Responds to `createStream` with the ID of the stream.
pub fn stream_created(output: &mut Vec<u8>, command: &Command, stream_id: u32) {
    write_values(output, command.encoding, 0, |values| {
        values.string("_result").number(command.transaction).null().number(stream_id.into());
    });
}

/// Responds to `getLoadBalancerRedirect` with a host.
pub fn load_balancer_redirect(output: &mut Vec<u8>, command: &Command, host: &str) {
    write_values(output, command.encoding, 0, |values| {
        values.string("_result").number(command.transaction).null().string(host);
    });
}

/// Responds to an unsupported call with an error, unless it expects no response.
pub fn call_failed(output: &mut Vec<u8>, command: &Command) {
    if command.transaction == NO_TRANSACTION {
        return;
    }
    write_values(output, command.encoding, 0, |values| {
        values.string("_error").number(command.transaction).null();
        values.object(|information| {
            information.name("level").string("error");
            information.name("code").string("NetConnection.Call.Failed");
            information.name("description").string("This server only says where to go.");
        });
    });
}

/// Redirects a client at play: sends the information object of a rejection as the status of its stream, then `close`.
pub fn redirect_at_play(output: &mut Vec<u8>, command: &Command, description: &str, redirect: Option<Redirect<'_>>) {
    write_values(output, command.encoding, command.stream_id, |values| {
        values.string("onStatus").number(NO_TRANSACTION).null();
        write_rejection_values(values, description, redirect);
    });
    write_close(output);
}

/// Rejects a stream after the connect was accepted, with a code at which every player and publisher gives up, then
/// sends `close`.
pub fn stream_failed(output: &mut Vec<u8>, stream_id: u32, purpose: Purpose, description: &str) {
    let code = match purpose {
        Purpose::Play => "NetStream.Play.Failed",
        Purpose::Publish => "NetStream.Publish.BadName",
    };
    write_values(output, CommandEncoding::Amf0, stream_id, |values| {
        values.string("onStatus").number(NO_TRANSACTION).null();
        values.object(|information| {
            information.name("level").string("error");
            information.name("code").string(code);
            information.name("description").string(description);
        });
    });
    write_close(output);
}

fn write_values(output: &mut Vec<u8>, encoding: CommandEncoding, stream_id: u32, fill: impl FnOnce(&mut Writer<'_>)) {
    let mut payload = encoding.prefix().to_vec();
    fill(&mut Writer::new(&mut payload));
    write_message(output, COMMAND_CHUNK_STREAM, encoding.type_id(), stream_id, &payload);
}

#[cfg(test)]
mod tests {
    use rml_amf0::Amf0Value;
    use rml_rtmp::chunk_io::ChunkDeserializer;

    use super::super::command::Call;
    use super::super::connect::tests::connect;
    use super::*;

    /// The type, message stream and payload of each message, as decoded by `rml_rtmp`.
    fn messages(bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
        let mut deserializer = ChunkDeserializer::new();
        let mut next = deserializer.get_next_message(bytes).unwrap();
        let mut messages = Vec::new();
        while let Some(message) = next {
            messages.push((message.type_id, message.message_stream_id, message.data.to_vec()));
            next = deserializer.get_next_message(&[]).unwrap();
        }
        messages
    }

    fn values(payload: &[u8]) -> Vec<Amf0Value> {
        rml_amf0::deserialize(&mut &payload[..]).unwrap()
    }

    fn text(text: &str) -> Amf0Value {
        Amf0Value::Utf8String(text.to_owned())
    }

    fn command(encoding: CommandEncoding) -> Command {
        Command { call: Call::Other, transaction: 4.0, encoding, stream_id: 1 }
    }

    #[test]
    fn a_connect_is_accepted_in_the_requested_encoding() {
        for (object_encoding, encoding, number) in
            [(ObjectEncoding::Amf0, CommandEncoding::Amf0, 0.0), (ObjectEncoding::Amf3, CommandEncoding::Amf3, 3.0)]
        {
            let mut output = Vec::new();
            connect_accepted(&mut output, &Connect { object_encoding, encoding, ..connect("live") });
            let messages = messages(&output);
            let types: Vec<u8> = messages.iter().map(|(type_id, ..)| *type_id).collect();
            assert_eq!(types, [5, 6, 4, encoding.type_id()]);
            let payload = messages[3].2.strip_prefix(encoding.prefix()).unwrap();
            let mut values = values(payload);
            let information = values.pop().unwrap().get_object_properties().unwrap();
            assert_eq!(information["code"], text("NetConnection.Connect.Success"));
            assert_eq!(information["objectEncoding"], Amf0Value::Number(number));
            assert_eq!(values[..2], [text("_result"), Amf0Value::Number(1.0)]);
        }
    }

    #[test]
    fn a_response_has_the_encoding_and_transaction_of_its_command() {
        for encoding in [CommandEncoding::Amf0, CommandEncoding::Amf3] {
            let mut output = Vec::new();
            stream_created(&mut output, &command(encoding), 1);
            load_balancer_redirect(&mut output, &command(encoding), "edge1");
            let messages = messages(&output);
            for ((type_id, stream_id, payload), last) in messages.iter().zip([Amf0Value::Number(1.0), text("edge1")]) {
                assert_eq!((*type_id, *stream_id), (encoding.type_id(), 0));
                let expected = [text("_result"), Amf0Value::Number(4.0), Amf0Value::Null, last];
                assert_eq!(values(payload.strip_prefix(encoding.prefix()).unwrap()), expected);
            }
            assert_eq!(messages.len(), 2);
        }
    }

    #[test]
    fn an_unsupported_call_fails_if_it_expects_a_response() {
        let mut output = Vec::new();
        call_failed(&mut output, &Command { transaction: 0.0, ..command(CommandEncoding::Amf0) });
        assert!(output.is_empty());
        call_failed(&mut output, &command(CommandEncoding::Amf0));
        let mut values = values(&messages(&output)[0].2);
        let information = values.pop().unwrap().get_object_properties().unwrap();
        assert_eq!(information["code"], text("NetConnection.Call.Failed"));
        assert_eq!(values, [text("_error"), Amf0Value::Number(4.0), Amf0Value::Null]);
    }

    #[test]
    fn a_redirect_at_play_is_a_status_with_the_object_of_a_rejection() {
        let mut output = Vec::new();
        let redirect = Redirect { connect_url: "rtmp://edge/live", stream_url: Some("rtmp://edge/live/camera") };
        redirect_at_play(&mut output, &command(CommandEncoding::Amf0), "moved", Some(redirect));
        let messages = messages(&output);
        assert_eq!((messages[0].0, messages[0].1), (20, 1), "on the stream that plays");
        let mut status = values(&messages[0].2);
        let information = status.pop().unwrap().get_object_properties().unwrap();
        assert_eq!(information["level"], text("error"));
        assert_eq!(information["code"], text("NetConnection.Connect.Rejected"));
        let ex = information["ex"].clone().get_object_properties().unwrap();
        assert_eq!(ex["code"], Amf0Value::Number(302.0));
        assert_eq!(ex["redirect"], text("rtmp://edge/live"));
        assert_eq!(ex["redirect2"], text("rtmp://edge/live/camera"));
        assert_eq!(status, [text("onStatus"), Amf0Value::Number(0.0), Amf0Value::Null]);
        assert_eq!(values(&messages[1].2)[0], text("close"));
    }

    #[test]
    fn a_rejected_stream_fails_as_players_and_publishers_expect() {
        for (purpose, code) in
            [(Purpose::Play, "NetStream.Play.Failed"), (Purpose::Publish, "NetStream.Publish.BadName")]
        {
            let mut output = Vec::new();
            stream_failed(&mut output, 1, purpose, "no server");
            let messages = messages(&output);
            assert_eq!(messages[0].1, 1);
            let information = values(&messages[0].2).pop().unwrap().get_object_properties().unwrap();
            assert_eq!(information["code"], text(code));
            assert_eq!(values(&messages[1].2)[0], text("close"));
        }
    }
}
