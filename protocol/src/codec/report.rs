//! The body of a report.

use std::net::IpAddr;
use std::time::Duration;

use minicbor::Decoder;

use super::endpoint::{decode_endpoint, encode_endpoint};
use super::load::{decode_capacity, decode_load, encode_capacity, encode_load};
use super::read::{decode_address, decode_body, decode_float, decode_host, decode_list, decode_name};
use super::write::{EncodeResult, Output, count, encode_u64, into_slice, milliseconds};
use super::{DecodeError, TooLong};
use crate::report::{Capacity, Load, Reasons, Report, Status};

/// Keys of the report map. 18 to 63 are reserved for later versions of the specification; higher ones are for private
/// use.
pub(super) mod key {
    pub(in crate::codec) const STATUS: u32 = 0;
    pub(in crate::codec) const REASONS: u32 = 1;
    pub(in crate::codec) const BOOT_TIME: u32 = 2;
    pub(in crate::codec) const SEND_TIME: u32 = 3;
    pub(in crate::codec) const INTERVAL: u32 = 4;
    pub(in crate::codec) const REDIRECT: u32 = 5;
    pub(in crate::codec) const ENDPOINTS: u32 = 6;
    pub(in crate::codec) const REAL_SERVER: u32 = 7;
    pub(in crate::codec) const ZONE: u32 = 8;
    pub(in crate::codec) const TAGS: u32 = 9;
    pub(in crate::codec) const WEIGHT: u32 = 10;
    pub(in crate::codec) const LOAD: u32 = 11;
    pub(in crate::codec) const CAPACITY: u32 = 12;
    pub(in crate::codec) const HOT_STREAMS: u32 = 13;
    pub(in crate::codec) const AGENT_VERSION: u32 = 14;
    pub(in crate::codec) const LAST_COMMAND: u32 = 15;
    pub(in crate::codec) const DRAIN_DEADLINE: u32 = 16;
    pub(in crate::codec) const PADDING: u32 = 17;
}

/// Writes `report` into `output`, without padding, and returns its length in bytes.
///
/// [`Sender::seal`](crate::Sender::seal) adds the padding.
///
/// # Errors
/// [`TooLong`] if `output` is too short; it then holds a part of the report.
pub fn encode_report(report: &Report<'_>, output: &mut [u8]) -> Result<usize, TooLong> {
    into_slice(output, |e| write_report(e, report))
}

fn write_report(e: &mut Output<'_>, report: &Report<'_>) -> EncodeResult {
    let optional = [
        !report.reasons.is_empty(),
        report.redirect.is_some(),
        !report.endpoints.is_empty(),
        report.real_server.is_some(),
        report.zone.is_some(),
        !report.tags.is_empty(),
        report.weight.is_some(),
        report.load != Load::default(),
        report.capacity != Capacity::default(),
        !report.hot_streams.is_empty(),
        report.agent_version.is_some(),
        report.last_command.is_some(),
        report.drain_deadline.is_some(),
    ];
    e.map(4 + count(&optional))?;
    e.u32(key::STATUS)?.u8(report.status as u8)?;
    if !report.reasons.is_empty() {
        e.u32(key::REASONS)?.u8(report.reasons.0)?;
    }
    e.u32(key::BOOT_TIME)?.u64(report.boot_time)?;
    e.u32(key::SEND_TIME)?.u64(report.send_time)?;
    e.u32(key::INTERVAL)?.u64(milliseconds(report.interval))?;
    if let Some(redirect) = report.redirect {
        e.u32(key::REDIRECT)?.str(redirect.as_str())?;
    }
    if !report.endpoints.is_empty() {
        e.u32(key::ENDPOINTS)?.array(report.endpoints.len() as u64)?;
        for endpoint in &report.endpoints {
            encode_endpoint(e, endpoint)?;
        }
    }
    match report.real_server {
        Some(IpAddr::V4(address)) => e.u32(key::REAL_SERVER)?.bytes(&address.octets())?.ok()?,
        Some(IpAddr::V6(address)) => e.u32(key::REAL_SERVER)?.bytes(&address.octets())?.ok()?,
        None => {}
    }
    if let Some(zone) = report.zone {
        e.u32(key::ZONE)?.str(zone.as_str())?;
    }
    if !report.tags.is_empty() {
        e.u32(key::TAGS)?.array(report.tags.len() as u64)?;
        for tag in &report.tags {
            e.str(tag.as_str())?;
        }
    }
    if let Some(weight) = report.weight {
        e.u32(key::WEIGHT)?.f32(weight)?;
    }
    if report.load != Load::default() {
        e.u32(key::LOAD)?;
        encode_load(e, &report.load)?;
    }
    if report.capacity != Capacity::default() {
        e.u32(key::CAPACITY)?;
        encode_capacity(e, &report.capacity)?;
    }
    if !report.hot_streams.is_empty() {
        e.u32(key::HOT_STREAMS)?.array(report.hot_streams.len() as u64)?;
        for stream in &report.hot_streams {
            e.u64(*stream)?;
        }
    }
    if let Some(version) = report.agent_version {
        e.u32(key::AGENT_VERSION)?.str(version.as_str())?;
    }
    encode_u64(e, key::LAST_COMMAND, report.last_command)?;
    encode_u64(e, key::DRAIN_DEADLINE, report.drain_deadline.map(milliseconds))
}

/// Reads a report, with or without padding.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_report(body: &[u8]) -> Result<Report<'_>, DecodeError> {
    let mut report = Report::new(0, 0, Duration::ZERO);
    let required = [key::STATUS, key::BOOT_TIME, key::SEND_TIME, key::INTERVAL];
    decode_body(body, &required, |d, key| decode_field(d, key, &mut report))?;
    Ok(report)
}

fn decode_field<'b>(d: &mut Decoder<'b>, key: u32, report: &mut Report<'b>) -> Result<bool, DecodeError> {
    match key {
        key::STATUS => report.status = Status::try_from(d.u8()?).map_err(|_| DecodeError::Range("status"))?,
        key::REASONS => report.reasons = Reasons(d.u8()?),
        key::BOOT_TIME => report.boot_time = d.u64()?,
        key::SEND_TIME => report.send_time = d.u64()?,
        key::INTERVAL => report.interval = decode_interval(d)?,
        key::REDIRECT => report.redirect = Some(decode_host(d, "redirect")?),
        key::ENDPOINTS => report.endpoints = decode_list(d, "endpoints", decode_endpoint)?,
        key::REAL_SERVER => report.real_server = Some(decode_address(d, "real server")?),
        key::ZONE => report.zone = Some(decode_name(d, "zone")?),
        key::TAGS => report.tags = decode_list(d, "tags", |d| decode_name(d, "tags"))?,
        key::WEIGHT => report.weight = Some(decode_weight(d)?),
        key::LOAD => decode_load(d, &mut report.load)?,
        key::CAPACITY => decode_capacity(d, &mut report.capacity)?,
        key::HOT_STREAMS => report.hot_streams = decode_list(d, "hot streams", |d| Ok(d.u64()?))?,
        key::AGENT_VERSION => report.agent_version = Some(decode_name(d, "agent version")?),
        key::LAST_COMMAND => report.last_command = Some(d.u64()?),
        key::DRAIN_DEADLINE => report.drain_deadline = Some(Duration::from_millis(d.u64()?)),
        key::PADDING => drop(d.bytes()?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn decode_interval(d: &mut Decoder<'_>) -> Result<Duration, DecodeError> {
    // Shorter intervals would flood the balancer; with longer ones an edge could not be told from a dead one.
    match d.u64()? {
        milliseconds @ 100..=3_600_000 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(DecodeError::Range("interval")),
    }
}

fn decode_weight(d: &mut Decoder<'_>) -> Result<f32, DecodeError> {
    let weight = decode_float(d, "weight")?;
    if weight == 0.0 { Err(DecodeError::Range("weight")) } else { Ok(weight) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::Host;
    use crate::name::Name;
    use crate::report::Endpoint;

    fn full_report() -> Report<'static> {
        let mut report = Report::new(1_790_000_000_000, 1_790_000_002_500, Duration::from_millis(2500));
        report.status = Status::Paused;
        report.reasons = Reasons::OPERATOR.with(Reasons::CAPACITY);
        report.redirect = Some(Host::new("edge1.example.com").unwrap());
        report.endpoints.push(Endpoint::new("rtmp", 1935));
        report.endpoints.push(Endpoint::new("https", 443).at(Host::new("::1").ok()));
        report.real_server = Some("10.1.2.3".parse().unwrap());
        report.zone = Some(Name::from_static("eu-west"));
        report.tags.push(Name::from_static("live"));
        report.weight = Some(2.5);
        report.load.connections = Some(7);
        report.load.accepted = Some(1_000_000_000_000);
        report.load.accepted_is_estimate = true;
        report.load.in_bits_per_second = Some(0);
        report.load.out_bits_per_second = Some(9_000_000_000);
        report.load.cpu = Some(0.25);
        report.load.utilisations.push((Name::from_static("gpu"), 1.25));
        report.capacity = Capacity { connections: Some(200), bits_per_second: Some(10_000_000_000) };
        report.hot_streams.extend([u64::MAX, 1]);
        report.agent_version = Some(Name::from_static("0.1.0"));
        report.last_command = Some(7);
        report.drain_deadline = Some(Duration::from_secs(600));
        report
    }

    fn encoded(report: &Report<'_>) -> Vec<u8> {
        let mut output = vec![0; 2000];
        let length = encode_report(report, &mut output).unwrap();
        output.truncate(length);
        output
    }

    #[test]
    fn a_full_report_survives_a_round_trip() {
        let report = full_report();
        assert_eq!(decode_report(&encoded(&report)).unwrap(), report);
    }

    #[test]
    fn unknown_fields_stay_unknown() {
        let report = Report::new(1, 2, Duration::from_millis(2500));
        let bytes = encoded(&report);
        assert_eq!(decode_report(&bytes).unwrap(), report);
        assert_eq!(bytes, [0xa4, 0, 0, 2, 1, 3, 2, 4, 0x19, 0x09, 0xc4], "the format is fixed");
    }

    #[test]
    fn keys_of_later_versions_and_private_ones_are_skipped() {
        let mut bytes = encoded(&Report::new(1, 2, Duration::from_millis(2500)));
        bytes[0] += 6;
        bytes.extend([0x18, 63, 1, 0x18, 63, 2]); // 63: 1, twice
        bytes.extend([0x18, 64, 1]); // 64: 1
        bytes.extend([0x1b, 255, 255, 255, 255, 255, 255, 255, 255, 0]); // 2^64 - 1: 0
        bytes.extend([0x18, 99, 0x82, 1, 0xa1, 1, 0x81, 0x61, b'x']); // 99: [1, {1: ["x"]}]
        bytes.extend([0x1a, 0, 1, 0, 0, 0xf6]); // 65536: null
        assert_eq!(decode_report(&bytes).unwrap(), Report::new(1, 2, Duration::from_millis(2500)));
    }

    #[test]
    fn a_report_that_is_too_long_is_not_encoded() {
        assert_eq!(encode_report(&full_report(), &mut [0; 100]), Err(TooLong));
    }

    #[test]
    fn malformed_bodies_are_rejected_each_for_its_reason() {
        let base = encoded(&Report::new(1, 2, Duration::from_millis(2500)));
        let with = |bytes: &[u8]| {
            let mut body = base.clone();
            body[0] += 1;
            body.extend(bytes);
            decode_report(&body).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(with(&[0, 0]), "a key occurs twice");
        assert_eq!(with(&[5, 0x63, b'a', b'\r', b'b']), "redirect: out of range");
        assert_eq!(with(&[6, 0x81, 0x83, 0x61, b'R', 0xf6, 1]), "endpoints: out of range");
        assert_eq!(with(&[6, 0x81, 0x83, 0x61, b'r', 0xf6, 0]), "endpoints: out of range");
        assert_eq!(with(&[7, 0x43, 1, 2, 3]), "real server: out of range");
        assert_eq!(with(&[8, 0x61, b'\n']), "zone: out of range");
        assert_eq!(with(&[10, 0xf9, 0x7c, 0]), "weight: out of range"); // +infinity
        assert_eq!(with(&[10, 0xf9, 0x80, 0]), "weight: out of range"); // -0
        assert_eq!(with(&[9, 0x9f, 0xff]), "indefinite length");
        assert_eq!(with(&[11, 0xa1, 5, 0xf9, 0x3c, 1]), "cpu: out of range"); // a little more than 1
        assert_eq!(with(&[11, 0xa1, 6, 0xa2, 0x61, b'a', 1, 0x61, b'a', 1]), "a key occurs twice");
        assert_eq!(with(&[&[13_u8, 0x98, 33][..], &[0; 33][..]].concat()), "hot streams: too many");
        assert!(with(&[17, 0x60]).starts_with("not well-formed CBOR of the expected types"), "padding that is a text");
        assert_eq!(decode_report(&[base.clone(), vec![0]].concat()).unwrap_err().to_string(), "bytes after the end");
        assert_eq!(decode_report(&[0xa1, 0, 0]).unwrap_err().to_string(), "key 2 is missing");
        assert!(matches!(decode_report(&base[..base.len() - 1]), Err(DecodeError::Cbor(_))));
        assert!(matches!(decode_report(&[]), Err(DecodeError::Cbor(_))));
    }

    #[test]
    fn an_array_that_claims_billions_of_elements_costs_nothing() {
        let body = [0xa1, 0x18, 99, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(decode_report(&body).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_report_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let _ = decode_report(&body);
        }

        #[test]
        fn a_damaged_report_never_panics(at in 0_usize..200, byte in any::<u8>()) {
            let mut body = encoded(&full_report());
            let at = at % body.len();
            body[at] = byte;
            let _ = decode_report(&body);
        }

        #[test]
        fn numbers_survive_a_round_trip(
            status in 0_u8..4, reasons in 0_u8..16, boot in any::<u64>(), send in any::<u64>(),
            interval in 100_u64..3_600_000, connections in any::<Option<u64>>(), accepted in any::<Option<u64>>(),
            out in any::<Option<u64>>(), cpu in proptest::option::of(0.0_f32..=1.0),
            streams in proptest::collection::vec(any::<u64>(), 0..=32),
        ) {
            let mut report = Report::new(boot, send, Duration::from_millis(interval));
            report.status = Status::try_from(status).unwrap();
            report.reasons = Reasons(reasons);
            report.load.connections = connections;
            report.load.accepted = accepted;
            report.load.out_bits_per_second = out;
            report.load.cpu = cpu;
            report.hot_streams.extend(streams);
            let body = encoded(&report);
            prop_assert_eq!(decode_report(&body).unwrap(), report);
        }
    }
}
