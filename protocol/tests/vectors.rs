//! The test vectors, which another implementation has generated from the specification: both must agree on every byte.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};
use weir_protocol::key::ParsedKey;
use weir_protocol::receiver::Limits;
use weir_protocol::report::Endpoint;
use weir_protocol::{
    Ack, Action, Arrival, Command, EdgeId, Host, Name, Receiver, Rejection, Report, Secret, Sender, codec, datagram,
    stream,
};

fn group(name: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("protocol-vectors.json")).unwrap();
    let group = vectors[name].as_array().expect(name).clone();
    assert!(!group.is_empty(), "{name}");
    group
}

fn text<'v>(vector: &'v Value, field: &str) -> &'v str {
    vector[field].as_str().expect(field)
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |offset| u8::from_str_radix(&hex[offset..offset + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}

fn secret(vector: &Value) -> Secret {
    Secret::from_random(array(text(vector, "secret")))
}

fn receiver(secret: Secret) -> Receiver {
    let mut limits = Limits::default();
    limits.max_clock_skew = None;
    Receiver::new([secret].into_iter().collect(), limits, [9; 16])
}

fn open(receiver: &mut Receiver, datagram: &[u8]) -> Result<(), Rejection> {
    let arrival = Arrival { source: "127.0.0.1:1".parse().unwrap(), monotonic: Duration::ZERO, unix: 0 };
    receiver.open(&mut datagram.to_vec(), &arrival).map(drop)
}

#[test]
fn keys_and_their_ids_agree() {
    for vector in group("secrets") {
        let secret = secret(&vector);
        assert_eq!(secret.to_base64(), text(&vector, "text"));
        assert_eq!(secret.id().to_string(), text(&vector, "key_id"));
    }
    for vector in group("passphrases") {
        let ParsedKey::Passphrase(stretched) = text(&vector, "text").parse().unwrap() else { panic!("{vector}") };
        assert_eq!(stretched, secret(&vector));
    }
    for vector in group("edge_keys") {
        let edge = EdgeId(array(text(&vector, "edge_id")));
        assert_eq!(secret(&vector).edge_key(edge).to_line(edge), text(&vector, "text"));
    }
    for vector in group("invalid_keys") {
        assert!(text(&vector, "text").parse::<ParsedKey>().is_err(), "{vector}");
    }
}

#[test]
fn reports_without_padding_agree_in_every_byte() {
    for vector in group("reports") {
        let (cbor, datagram) = (bytes(text(&vector, "cbor")), bytes(text(&vector, "datagram")));
        let report = codec::decode_report(&cbor).unwrap();
        assert_eq!(report_as_json(&report), vector["body"], "{}", vector["name"]);
        let mut output = [0; datagram::MAX_BODY_LENGTH];
        let length = codec::encode_report(&report, &mut output).unwrap();
        assert_eq!(hex(&output[..length]), hex(&cbor), "{}", vector["name"]);
        // The datagram passes every check, but it is the first one of a new edge.
        assert_eq!(open(&mut receiver(secret(&vector)), &datagram), Err(Rejection::Unconfirmed), "{}", vector["name"]);
    }
}

#[test]
fn reports_as_they_are_sent_agree_in_every_byte() {
    for vector in group("padded_reports") {
        let (cbor, datagram) = (bytes(text(&vector, "cbor")), bytes(text(&vector, "datagram")));
        let report = codec::decode_report(&cbor).unwrap();
        assert_eq!(report_as_json(&report), vector["body"], "{}", vector["name"]);
        assert_eq!(open(&mut receiver(secret(&vector)), &datagram), Err(Rejection::Unconfirmed), "{}", vector["name"]);

        let edge = EdgeId(array(text(&vector, "edge_id")));
        let mut sender = Sender::new(secret(&vector).edge_key(edge), edge, array(text(&vector, "salt")));
        for _ in 1..vector["counter"].as_u64().unwrap() {
            let _ = sender.seal(&report).unwrap();
        }
        assert_eq!(hex(sender.seal(&report).unwrap()), hex(&datagram), "{}", vector["name"]);
    }
}

#[test]
fn acks_agree_in_every_byte() {
    for vector in group("acks") {
        let cbor = bytes(text(&vector, "cbor"));
        let ack = codec::decode_ack(&cbor).unwrap();
        assert_eq!(ack_as_json(&ack), vector["body"], "{}", vector["name"]);
        let mut output = [0; 200];
        let length = codec::encode_ack(&ack, &mut output).unwrap();
        assert_eq!(hex(&output[..length]), hex(&cbor), "{}", vector["name"]);

        let edge = EdgeId(array(text(&vector, "edge_id")));
        let mut sender = Sender::new(secret(&vector).edge_key(edge), edge, ack.salt);
        if ack.counter < 1000 {
            let report = Report::new(1, 1, Duration::from_secs(1));
            for _ in 0..ack.counter {
                let _ = sender.seal(&report).unwrap();
            }
            assert_eq!(sender.open_ack(&mut bytes(text(&vector, "datagram"))), Ok(ack), "{}", vector["name"]);
        }
    }
}

#[test]
fn other_encodings_of_the_same_body_are_read() {
    for vector in group("other_encodings") {
        let cbor = bytes(text(&vector, "cbor"));
        let body = match text(&vector, "kind") {
            "report" => {
                report_as_json(&codec::decode_report(&cbor).unwrap_or_else(|error| panic!("{vector}: {error}")))
            }
            _ => ack_as_json(&codec::decode_ack(&cbor).unwrap_or_else(|error| panic!("{vector}: {error}"))),
        };
        assert_eq!(body, vector["body"], "{}", vector["name"]);
    }
}

#[test]
fn invalid_bodies_are_rejected() {
    for vector in group("invalid_bodies") {
        let cbor = bytes(text(&vector, "cbor"));
        let is_rejected = match text(&vector, "kind") {
            "report" => codec::decode_report(&cbor).is_err(),
            _ => codec::decode_ack(&cbor).is_err(),
        };
        assert!(is_rejected, "{vector}");
    }
}

#[test]
fn invalid_datagrams_are_rejected_for_the_same_reason() {
    for vector in group("invalid_datagrams") {
        let datagram = bytes(text(&vector, "datagram"));
        let mut receiver = receiver(secret(&vector));
        let last_counter = vector["last_counter"].as_u64().unwrap();
        if last_counter > 0 {
            let edge = EdgeId(datagram[12..28].try_into().unwrap());
            let mut sender = Sender::new(secret(&vector).edge_key(edge), edge, datagram[28..44].try_into().unwrap());
            for _ in 0..last_counter {
                let _ = open(&mut receiver, sender.seal(&Report::new(1, 1, Duration::from_secs(1))).unwrap());
            }
        }
        let reason = open(&mut receiver, &datagram).err().map(Rejection::reason);
        // The first report of a new edge has passed every other check.
        let reason = reason.filter(|reason| *reason != "unconfirmed");
        assert_eq!(reason, vector["reason"].as_str(), "{}", vector["name"]);
    }
}

#[test]
fn both_shorten_an_ack_in_the_same_way_after_a_short_report() {
    for vector in group("fitting_acks") {
        let body = &vector["body"];
        let report_length = usize::try_from(vector["report_length"].as_u64().unwrap()).unwrap();
        let id = body["command"]["id"].as_u64().unwrap();
        let deadline = body["command"]["deadline"].as_u64().map(Duration::from_millis);
        let command = Command::new(id, Action::Drain { deadline });
        let edge = EdgeId([7; 16]);
        let secret = Secret::from_random([1; 32]);
        let salt = array(text(body, "acknowledged_salt"));
        let (mut receiver, mut sender) = (receiver(secret.clone()), Sender::new(secret.edge_key(edge), edge, salt));
        let counter = body["acknowledged_counter"].as_u64().unwrap();
        if counter > 1000 {
            continue;
        }
        for _ in 0..counter {
            let _ = open(&mut receiver, sender.seal(&Report::new(1, 1, Duration::from_secs(1))).unwrap());
        }
        let mut output = [0; datagram::MAX_LENGTH];
        let name = body["name"].as_str().and_then(|name| Name::new(name).ok());
        let ack = receiver.acknowledge(edge, name, Some(command), report_length, &mut output);
        let fitting = ack.map(|ack| ack_as_json(&sender.open_ack(&mut ack.to_vec()).unwrap()));
        assert_eq!(fitting.unwrap_or(Value::Null), vector["fitting"], "{}", vector["name"]);
    }
}

#[test]
fn paths_name_the_same_streams_by_the_same_hashes() {
    for vector in group("streams") {
        assert_eq!(stream::of_path(text(&vector, "path")), vector["hash"].as_u64(), "{vector}");
        if let Some((application, name)) = vector["stream"].as_str().and_then(|stream| stream.split_once('/')) {
            assert_eq!(Some(stream::hash(application, name)), vector["hash"].as_u64(), "{vector}");
        }
    }
}

/// An object with the fields that have a value.
fn known(fields: Vec<(&str, Option<Value>)>) -> Value {
    let known = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(known.collect::<Map<_, _>>())
}

fn list<T: Into<Value>>(entries: impl ExactSizeIterator<Item = T>) -> Option<Value> {
    (entries.len() > 0).then(|| Value::Array(entries.map(Into::into).collect()))
}

fn name(name: Name<'_>) -> Value {
    name.as_str().into()
}

fn milliseconds(duration: Duration) -> Value {
    u64::try_from(duration.as_millis()).unwrap().into()
}

fn report_as_json(report: &Report<'_>) -> Value {
    let endpoint = |endpoint: &Endpoint<'_>| {
        let host = endpoint.host.map(Host::as_str);
        json!({ "scheme": endpoint.scheme, "host": host, "port": endpoint.port })
    };
    let real_server = report.real_server.map(|address| match address {
        IpAddr::V4(address) => hex(&address.octets()),
        IpAddr::V6(address) => hex(&address.octets()),
    });
    let load = &report.load;
    let utilisations =
        known(load.utilisations.iter().map(|(name, value)| (name.as_str(), Some(json!(value)))).collect());
    let load = known(vec![
        ("connections", load.connections.map(Into::into)),
        ("accepted", load.accepted.map(Into::into)),
        ("accepted_estimated", load.accepted_is_estimate.then_some(true.into())),
        ("incoming_bps", load.in_bits_per_second.map(Into::into)),
        ("outgoing_bps", load.out_bits_per_second.map(Into::into)),
        ("cpu", load.cpu.map(|cpu| json!(cpu))),
        ("utilisations", utilisations.as_object().filter(|map| !map.is_empty()).map(|map| json!(map))),
    ]);
    let capacity = known(vec![
        ("connections", report.capacity.connections.map(Into::into)),
        ("outgoing_bps", report.capacity.bits_per_second.map(Into::into)),
    ]);
    let not_empty = |map: Value| map.as_object().is_some_and(|map| !map.is_empty()).then_some(map);
    known(vec![
        ("status", Some(report.status.name().into())),
        ("reasons", (!report.reasons.is_empty()).then(|| report.reasons.0.into())),
        ("boot_time", Some(report.boot_time.into())),
        ("send_time", Some(report.send_time.into())),
        ("interval", Some(milliseconds(report.interval))),
        ("redirect_address", report.redirect.map(|host| host.as_str().into())),
        ("endpoints", list(report.endpoints.iter().map(endpoint))),
        ("real_server_address", real_server.map(Into::into)),
        ("zone", report.zone.map(name)),
        ("tags", list(report.tags.iter().copied().map(name))),
        ("weight", report.weight.map(|weight| json!(weight))),
        ("load", not_empty(load)),
        ("capacity", not_empty(capacity)),
        ("hottest_streams", list(report.hot_streams.iter().copied())),
        ("agent_version", report.agent_version.map(name)),
        ("last_command", report.last_command.map(Into::into)),
        ("drain_deadline", report.drain_deadline.map(milliseconds)),
    ])
}

fn ack_as_json(ack: &Ack<'_>) -> Value {
    let command = ack.command.map(|command| {
        let (kind, deadline) = match command.action {
            Action::Pause => ("pause", None),
            Action::Unpause => ("unpause", None),
            Action::Drain { deadline } => ("drain", deadline),
        };
        known(vec![
            ("id", Some(command.id.into())),
            ("kind", Some(kind.into())),
            ("deadline", deadline.map(milliseconds)),
        ])
    });
    known(vec![
        ("acknowledged_counter", Some(ack.counter.into())),
        ("acknowledged_salt", Some(hex(&ack.salt).into())),
        ("name", ack.balancer.map(name)),
        ("command", command),
    ])
}
