//! Reports and acks as CBOR (RFC 8949): a map with small integer keys, so that versions can mix.
//!
//! Readers skip keys that they do not know and writers leave out what they do not know. A known key that is there
//! twice, has another type than it should, or is out of its range makes the whole body invalid.

use std::net::IpAddr;
use std::time::Duration;

use arrayvec::ArrayVec;
use minicbor::data::Type;
use minicbor::encode::write::Cursor;
use minicbor::{Decoder, Encoder};

use crate::ack::{Ack, Action, Command};
use crate::host::Host;
use crate::key::SALT_LENGTH;
use crate::report::{Capacity, Endpoint, Load, MAX_NAME_LENGTH, Reasons, Report, Status};

/// Keys of the report map.
mod key {
    pub(super) const STATUS: u32 = 0;
    pub(super) const REASONS: u32 = 1;
    pub(super) const BOOT_TIME: u32 = 2;
    pub(super) const SEND_TIME: u32 = 3;
    pub(super) const INTERVAL: u32 = 4;
    pub(super) const REDIRECT: u32 = 5;
    pub(super) const ENDPOINTS: u32 = 6;
    pub(super) const REAL_SERVER: u32 = 7;
    pub(super) const ZONE: u32 = 8;
    pub(super) const TAGS: u32 = 9;
    pub(super) const WEIGHT: u32 = 10;
    pub(super) const LOAD: u32 = 11;
    pub(super) const CAPACITY: u32 = 12;
    pub(super) const HOT_STREAMS: u32 = 13;
    pub(super) const AGENT_VERSION: u32 = 14;
    pub(super) const LAST_COMMAND: u32 = 15;
    pub(super) const DRAIN_DEADLINE: u32 = 16;
}

/// Keys of the load map.
mod load_key {
    pub(super) const CONNECTIONS: u32 = 0;
    pub(super) const ACCEPTED: u32 = 1;
    pub(super) const ACCEPTED_IS_ESTIMATE: u32 = 2;
    pub(super) const IN_BITS_PER_SECOND: u32 = 3;
    pub(super) const OUT_BITS_PER_SECOND: u32 = 4;
    pub(super) const CPU: u32 = 5;
    pub(super) const UTILISATIONS: u32 = 6;
}

/// Keys of the capacity map.
mod capacity_key {
    pub(super) const CONNECTIONS: u32 = 0;
    pub(super) const BITS_PER_SECOND: u32 = 1;
}

/// Keys of the ack map.
mod ack_key {
    pub(super) const COUNTER: u32 = 0;
    pub(super) const SALT: u32 = 1;
    pub(super) const BALANCER: u32 = 2;
    pub(super) const COMMAND: u32 = 3;
}

/// The report does not fit into the space given: shorten names, or leave out hot streams, tags or endpoints.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the report does not fit into a datagram: use shorter names, or fewer tags or endpoints")]
pub struct TooLong;

type EncodeResult = Result<(), minicbor::encode::Error<minicbor::encode::write::EndOfSlice>>;

/// Writes `report` into `output` and returns its length in bytes.
///
/// # Errors
/// [`TooLong`] when `output` is too short; it then holds a part of the report.
pub fn encode(report: &Report<'_>, output: &mut [u8]) -> Result<usize, TooLong> {
    let mut encoder = Encoder::new(Cursor::new(output));
    // The cursor's end is the only way for this encoder to fail.
    encode_report(&mut encoder, report).map_err(|_| TooLong)?;
    Ok(encoder.writer().position())
}

type Output<'o> = Encoder<Cursor<&'o mut [u8]>>;

fn encode_report(e: &mut Output<'_>, report: &Report<'_>) -> EncodeResult {
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
            e.array(3)?.str(endpoint.scheme)?;
            match endpoint.host {
                Some(host) => e.str(host.as_str())?,
                None => e.null()?,
            };
            e.u16(endpoint.port)?;
        }
    }
    match report.real_server {
        Some(IpAddr::V4(address)) => e.u32(key::REAL_SERVER)?.bytes(&address.octets())?.ok()?,
        Some(IpAddr::V6(address)) => e.u32(key::REAL_SERVER)?.bytes(&address.octets())?.ok()?,
        None => {}
    }
    if let Some(zone) = report.zone {
        e.u32(key::ZONE)?.str(zone)?;
    }
    if !report.tags.is_empty() {
        e.u32(key::TAGS)?.array(report.tags.len() as u64)?;
        for tag in &report.tags {
            e.str(tag)?;
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
        let Capacity { connections, bits_per_second } = report.capacity;
        e.map(count(&[connections.is_some(), bits_per_second.is_some()]))?;
        encode_u64(e, capacity_key::CONNECTIONS, connections)?;
        encode_u64(e, capacity_key::BITS_PER_SECOND, bits_per_second)?;
    }
    if !report.hot_streams.is_empty() {
        e.u32(key::HOT_STREAMS)?.array(report.hot_streams.len() as u64)?;
        for stream in &report.hot_streams {
            e.u64(*stream)?;
        }
    }
    if let Some(version) = report.agent_version {
        e.u32(key::AGENT_VERSION)?.str(version)?;
    }
    encode_u64(e, key::LAST_COMMAND, report.last_command)?;
    encode_u64(e, key::DRAIN_DEADLINE, report.drain_deadline.map(milliseconds))
}

fn encode_load(e: &mut Output<'_>, load: &Load<'_>) -> EncodeResult {
    e.map(count(&[
        load.connections.is_some(),
        load.accepted.is_some(),
        load.accepted_is_estimate,
        load.in_bits_per_second.is_some(),
        load.out_bits_per_second.is_some(),
        load.cpu.is_some(),
        !load.utilisations.is_empty(),
    ]))?;
    encode_u64(e, load_key::CONNECTIONS, load.connections)?;
    encode_u64(e, load_key::ACCEPTED, load.accepted)?;
    if load.accepted_is_estimate {
        e.u32(load_key::ACCEPTED_IS_ESTIMATE)?.bool(true)?;
    }
    encode_u64(e, load_key::IN_BITS_PER_SECOND, load.in_bits_per_second)?;
    encode_u64(e, load_key::OUT_BITS_PER_SECOND, load.out_bits_per_second)?;
    if let Some(cpu) = load.cpu {
        e.u32(load_key::CPU)?.f32(cpu)?;
    }
    if !load.utilisations.is_empty() {
        e.u32(load_key::UTILISATIONS)?.map(load.utilisations.len() as u64)?;
        for (name, value) in &load.utilisations {
            e.str(name)?.f32(*value)?;
        }
    }
    Ok(())
}

fn encode_u64(e: &mut Output<'_>, key: u32, value: Option<u64>) -> EncodeResult {
    match value {
        Some(value) => e.u32(key)?.u64(value)?.ok(),
        None => Ok(()),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn count(present: &[bool]) -> u64 {
    present.iter().filter(|present| **present).count() as u64
}

/// Writes `ack` into `output` and returns its length in bytes.
///
/// # Errors
/// [`TooLong`] when `output` is too short; it then holds a part of the ack.
pub fn encode_ack(ack: &Ack<'_>, output: &mut [u8]) -> Result<usize, TooLong> {
    let mut encoder = Encoder::new(Cursor::new(output));
    // The cursor's end is the only way for this encoder to fail.
    write_ack(&mut encoder, ack).map_err(|_| TooLong)?;
    Ok(encoder.writer().position())
}

fn write_ack(e: &mut Output<'_>, ack: &Ack<'_>) -> EncodeResult {
    e.map(2 + count(&[ack.balancer.is_some(), ack.command.is_some()]))?;
    e.u32(ack_key::COUNTER)?.u64(ack.counter)?;
    e.u32(ack_key::SALT)?.bytes(&ack.salt)?;
    if let Some(balancer) = ack.balancer {
        e.u32(ack_key::BALANCER)?.str(balancer)?;
    }
    if let Some(command) = ack.command {
        let (kind, deadline) = match command.action {
            Action::Pause => (1, None),
            Action::Unpause => (2, None),
            Action::Drain { deadline } => (3, deadline),
        };
        e.u32(ack_key::COMMAND)?.array(2 + count(&[deadline.is_some()]))?.u64(command.id)?.u8(kind)?;
        if let Some(deadline) = deadline {
            e.u64(milliseconds(deadline))?;
        }
    }
    Ok(())
}

/// The body is not a report, or not an ack.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not CBOR, or a value of another type than its key calls for.
    #[error("not well-formed CBOR of a report: {0}")]
    Cbor(#[from] minicbor::decode::Error),
    /// A key that every report must have is missing.
    #[error("key {0} is missing")]
    Missing(u32),
    /// A key occurs twice (RFC 8949 section 5.6).
    #[error("a key occurs twice")]
    Duplicate,
    /// A list has more entries than its limit allows.
    #[error("{0}: too many")]
    TooMany(&'static str),
    /// A value is outside its range.
    #[error("{0}: out of range")]
    Range(&'static str),
    /// A map or list of indefinite length; Weir's bodies have definite ones only.
    #[error("indefinite length")]
    Indefinite,
    /// Bytes after the end of the map.
    #[error("bytes after the end")]
    Trailing,
}

/// Reads a report.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(body: &[u8]) -> Result<Report<'_>, DecodeError> {
    let mut d = Decoder::new(body);
    let mut report = Report::new(0, 0, Duration::ZERO);
    let seen = decode_map(&mut d, |d, key| decode_field(d, key, &mut report))?;
    if d.position() != body.len() {
        return Err(DecodeError::Trailing);
    }
    require(seen, &[key::STATUS, key::BOOT_TIME, key::SEND_TIME, key::INTERVAL])?;
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
        key::REAL_SERVER => report.real_server = Some(decode_address(d)?),
        key::ZONE => report.zone = Some(decode_name(d, "zone")?),
        key::TAGS => report.tags = decode_list(d, "tags", |d| decode_name(d, "tags"))?,
        key::WEIGHT => {
            let weight = decode_float(d, "weight")?;
            if weight == 0.0 {
                return Err(DecodeError::Range("weight"));
            }
            report.weight = Some(weight);
        }
        key::LOAD => {
            decode_map(d, |d, key| decode_load_field(d, key, &mut report.load))?;
        }
        key::CAPACITY => {
            decode_map(d, |d, key| {
                match key {
                    capacity_key::CONNECTIONS => report.capacity.connections = Some(d.u64()?),
                    capacity_key::BITS_PER_SECOND => report.capacity.bits_per_second = Some(d.u64()?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        key::HOT_STREAMS => report.hot_streams = decode_list(d, "hot streams", |d| Ok(d.u64()?))?,
        key::AGENT_VERSION => report.agent_version = Some(decode_name(d, "agent version")?),
        key::LAST_COMMAND => report.last_command = Some(d.u64()?),
        key::DRAIN_DEADLINE => report.drain_deadline = Some(Duration::from_millis(d.u64()?)),
        _ => return Ok(false),
    }
    Ok(true)
}

fn decode_load_field<'b>(d: &mut Decoder<'b>, key: u32, load: &mut Load<'b>) -> Result<bool, DecodeError> {
    match key {
        load_key::CONNECTIONS => load.connections = Some(d.u64()?),
        load_key::ACCEPTED => load.accepted = Some(d.u64()?),
        load_key::ACCEPTED_IS_ESTIMATE => load.accepted_is_estimate = d.bool()?,
        load_key::IN_BITS_PER_SECOND => load.in_bits_per_second = Some(d.u64()?),
        load_key::OUT_BITS_PER_SECOND => load.out_bits_per_second = Some(d.u64()?),
        load_key::CPU => {
            let cpu = decode_float(d, "cpu")?;
            load.cpu = Some(if cpu <= 1.0 { cpu } else { return Err(DecodeError::Range("cpu")) });
        }
        load_key::UTILISATIONS => {
            for _ in 0..d.map()?.ok_or(DecodeError::Indefinite)? {
                let entry = (decode_name(d, "utilisations")?, decode_float(d, "utilisations")?);
                if load.utilisations.iter().any(|(name, _)| *name == entry.0) {
                    return Err(DecodeError::Duplicate);
                }
                load.utilisations.try_push(entry).map_err(|_| DecodeError::TooMany("utilisations"))?;
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads an ack.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_ack(body: &[u8]) -> Result<Ack<'_>, DecodeError> {
    let mut d = Decoder::new(body);
    let mut ack = Ack { counter: 0, salt: [0; SALT_LENGTH], balancer: None, command: None };
    let seen = decode_map(&mut d, |d, key| {
        match key {
            ack_key::COUNTER => ack.counter = d.u64()?,
            ack_key::SALT => ack.salt = d.bytes()?.try_into().map_err(|_| DecodeError::Range("answered salt"))?,
            ack_key::BALANCER => ack.balancer = Some(decode_name(d, "balancer")?),
            ack_key::COMMAND => ack.command = Some(decode_command(d)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if d.position() != body.len() {
        return Err(DecodeError::Trailing);
    }
    require(seen, &[ack_key::COUNTER, ack_key::SALT])?;
    Ok(ack)
}

fn decode_command(d: &mut Decoder<'_>) -> Result<Command, DecodeError> {
    let fields = d.array()?.ok_or(DecodeError::Indefinite)?;
    if fields < 2 {
        return Err(DecodeError::Range("command"));
    }
    let (id, kind) = (d.u64()?, d.u8()?);
    let mut read = 2;
    let action = match kind {
        1 => Action::Pause,
        2 => Action::Unpause,
        3 if fields > 2 => {
            read = 3;
            Action::Drain { deadline: Some(Duration::from_millis(d.u64()?)) }
        }
        3 => Action::Drain { deadline: None },
        _ => return Err(DecodeError::Range("command")),
    };
    for _ in read..fields {
        d.skip()?;
    }
    if id == 0 { Err(DecodeError::Range("command")) } else { Ok(Command { id, action }) }
}

fn require(seen: u64, keys: &[u32]) -> Result<(), DecodeError> {
    let missing = keys.iter().find(|key| seen & (1 << **key) == 0);
    missing.map_or(Ok(()), |key| Err(DecodeError::Missing(*key)))
}

/// Reads a map; `field` reads the value of a key that it knows and returns true. Returns the known keys that were there, as bits.
fn decode_map<'b>(
    d: &mut Decoder<'b>,
    mut field: impl FnMut(&mut Decoder<'b>, u32) -> Result<bool, DecodeError>,
) -> Result<u64, DecodeError> {
    let mut seen = 0_u64;
    for _ in 0..d.map()?.ok_or(DecodeError::Indefinite)? {
        // A key that is too large for those that are known is skipped like any other that is not.
        let key = u32::try_from(d.u64()?).unwrap_or(u32::MAX);
        if !field(d, key)? {
            d.skip()?;
            continue;
        }
        // Keys that are known are far below 64.
        let bit = 1_u64.checked_shl(key).unwrap_or(0);
        if seen & bit != 0 {
            return Err(DecodeError::Duplicate);
        }
        seen |= bit;
    }
    Ok(seen)
}

fn decode_list<'b, T, const N: usize>(
    d: &mut Decoder<'b>,
    what: &'static str,
    mut entry: impl FnMut(&mut Decoder<'b>) -> Result<T, DecodeError>,
) -> Result<ArrayVec<T, N>, DecodeError> {
    let mut list = ArrayVec::new();
    for _ in 0..d.array()?.ok_or(DecodeError::Indefinite)? {
        list.try_push(entry(d)?).map_err(|_| DecodeError::TooMany(what))?;
    }
    Ok(list)
}

fn decode_endpoint<'b>(d: &mut Decoder<'b>) -> Result<Endpoint<'b>, DecodeError> {
    let fields = d.array()?.ok_or(DecodeError::Indefinite)?;
    if fields < 3 {
        return Err(DecodeError::Range("endpoints"));
    }
    let scheme = decode_name(d, "endpoints")?;
    // RFC 3986 section 3.1, less upper case.
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.');
    if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(allowed) {
        return Err(DecodeError::Range("endpoints"));
    }
    let host = if d.datatype()? == Type::Null {
        d.null()?;
        None
    } else {
        Some(decode_host(d, "endpoints")?)
    };
    let port = d.u16()?;
    if port == 0 {
        return Err(DecodeError::Range("endpoints"));
    }
    for _ in 3..fields {
        d.skip()?;
    }
    Ok(Endpoint { scheme, host, port })
}

fn decode_interval(d: &mut Decoder<'_>) -> Result<Duration, DecodeError> {
    // Below 100 ms an agent would flood; above an hour nobody could tell it from a dead one.
    match d.u64()? {
        milliseconds @ 100..=3_600_000 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(DecodeError::Range("interval")),
    }
}

fn decode_host<'b>(d: &mut Decoder<'b>, what: &'static str) -> Result<Host<'b>, DecodeError> {
    Host::new(d.str()?).map_err(|_| DecodeError::Range(what))
}

fn decode_address(d: &mut Decoder<'_>) -> Result<IpAddr, DecodeError> {
    let bytes = d.bytes()?;
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).map(IpAddr::from).map_err(|_| DecodeError::Range("real server"))
}

fn decode_name<'b>(d: &mut Decoder<'b>, what: &'static str) -> Result<&'b str, DecodeError> {
    let name = d.str()?;
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if name.is_empty() || name.len() > MAX_NAME_LENGTH || !name.bytes().all(printable) {
        return Err(DecodeError::Range(what));
    }
    Ok(name)
}

/// A float of any width, or an unsigned integer; finite and not negative.
fn decode_float(d: &mut Decoder<'_>, what: &'static str) -> Result<f32, DecodeError> {
    let value = match d.datatype()? {
        Type::F16 => d.f16()?,
        Type::F32 => d.f32()?,
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are more than a load needs")]
        Type::F64 => d.f64()? as f32,
        #[expect(clippy::cast_precision_loss, reason = "seven digits are more than a load needs")]
        _ => d.u64()? as f32,
    };
    // Negative zero is zero: a weight of it must be refused like 0.
    if value.is_finite() && value >= 0.0 { Ok(value.abs()) } else { Err(DecodeError::Range(what)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full_report() -> Report<'static> {
        let mut report = Report::new(1_790_000_000_000, 1_790_000_002_500, Duration::from_millis(2500));
        report.status = Status::Paused;
        report.reasons = Reasons::OPERATOR.with(Reasons::CAPACITY);
        report.redirect = Some(Host::new("edge1.example.com").unwrap());
        report.endpoints.push(Endpoint { scheme: "rtmp", host: None, port: 1935 });
        report.endpoints.push(Endpoint { scheme: "https", host: Some(Host::new("::1").unwrap()), port: 443 });
        report.real_server = Some("10.1.2.3".parse().unwrap());
        report.zone = Some("eu-west");
        report.tags.push("live");
        report.weight = Some(2.5);
        report.load.connections = Some(7);
        report.load.accepted = Some(1_000_000_000_000);
        report.load.accepted_is_estimate = true;
        report.load.in_bits_per_second = Some(0);
        report.load.out_bits_per_second = Some(9_000_000_000);
        report.load.cpu = Some(0.25);
        report.load.utilisations.push(("gpu", 1.25));
        report.capacity = Capacity { connections: Some(200), bits_per_second: Some(10_000_000_000) };
        report.hot_streams.extend([u64::MAX, 1]);
        report.agent_version = Some("0.1.0");
        report.last_command = Some(7);
        report.drain_deadline = Some(Duration::from_secs(600));
        report
    }

    fn encoded(report: &Report<'_>) -> Vec<u8> {
        let mut output = vec![0; 2000];
        let length = encode(report, &mut output).unwrap();
        output.truncate(length);
        output
    }

    #[test]
    fn a_full_report_comes_back_as_it_was() {
        let report = full_report();
        assert_eq!(decode(&encoded(&report)).unwrap(), report);
    }

    #[test]
    fn what_is_unknown_stays_unknown() {
        let report = Report::new(1, 2, Duration::from_millis(2500));
        let bytes = encoded(&report);
        assert_eq!(decode(&bytes).unwrap(), report);
        assert_eq!(bytes, [0xa4, 0, 0, 2, 1, 3, 2, 4, 0x19, 0x09, 0xc4], "the format is fixed");
    }

    #[test]
    fn keys_of_later_versions_are_skipped() {
        let mut bytes = encoded(&Report::new(1, 2, Duration::from_millis(2500)));
        bytes[0] += 5;
        bytes.extend([0x18, 40, 1, 0x18, 40, 2]); // 40: 1, twice
        bytes.extend([0x1b, 255, 255, 255, 255, 255, 255, 255, 255, 0]); // 2^64 - 1: 0
        bytes.extend([0x18, 99, 0x82, 1, 0xa1, 1, 0x81, 0x61, b'x']); // 99: [1, {1: ["x"]}]
        bytes.extend([0x1a, 0, 1, 0, 0, 0xf6]); // 65536: null
        assert_eq!(decode(&bytes).unwrap(), Report::new(1, 2, Duration::from_millis(2500)));
    }

    #[test]
    fn a_report_that_is_too_long_is_refused_by_its_writer() {
        assert_eq!(encode(&full_report(), &mut [0; 100]), Err(TooLong));
    }

    #[test]
    fn malformed_bodies_are_refused_each_for_its_reason() {
        let base = encoded(&Report::new(1, 2, Duration::from_millis(2500)));
        let with = |bytes: &[u8]| {
            let mut body = base.clone();
            body[0] += 1;
            body.extend(bytes);
            decode(&body).map(|_| ()).unwrap_err().to_string()
        };
        assert_eq!(with(&[0, 0]), "a key occurs twice");
        assert_eq!(with(&[5, 0x63, b'a', b'\r', b'b']), "redirect: out of range");
        assert_eq!(with(&[6, 0x81, 0x83, 0x61, b'R', 0xf6, 1]), "endpoints: out of range");
        assert_eq!(with(&[6, 0x81, 0x83, 0x61, b'r', 0xf6, 0]), "endpoints: out of range");
        assert_eq!(with(&[7, 0x43, 1, 2, 3]), "real server: out of range");
        assert_eq!(with(&[10, 0xf9, 0x7c, 0]), "weight: out of range"); // +infinity
        assert_eq!(with(&[10, 0xf9, 0x80, 0]), "weight: out of range"); // -0
        assert_eq!(with(&[9, 0x9f, 0xff]), "indefinite length");
        assert_eq!(with(&[11, 0xa1, 5, 0xf9, 0x3c, 1]), "cpu: out of range"); // a little more than 1
        assert_eq!(with(&[11, 0xa1, 6, 0xa2, 0x61, b'a', 1, 0x61, b'a', 1]), "a key occurs twice");
        assert_eq!(with(&[&[13_u8, 0x98, 33][..], &[0; 33][..]].concat()), "hot streams: too many");
        assert_eq!(decode(&[base.clone(), vec![0]].concat()).unwrap_err().to_string(), "bytes after the end");
        assert_eq!(decode(&[0xa1, 0, 0]).unwrap_err().to_string(), "key 2 is missing");
        assert!(matches!(decode(&base[..base.len() - 1]), Err(DecodeError::Cbor(_))));
        assert!(matches!(decode(&[]), Err(DecodeError::Cbor(_))));
    }

    #[test]
    fn an_array_that_claims_billions_of_entries_costs_nothing() {
        let body = [0xa1, 0x18, 99, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(decode(&body).is_err());
    }

    fn acks() -> Vec<Ack<'static>> {
        let actions = [
            None,
            Some(Action::Pause),
            Some(Action::Unpause),
            Some(Action::Drain { deadline: None }),
            Some(Action::Drain { deadline: Some(Duration::from_secs(600)) }),
        ];
        let ack = |action: Option<Action>| Ack {
            counter: 1000,
            salt: [3; SALT_LENGTH],
            balancer: action.map(|_| "lb1"),
            command: action.map(|action| Command { id: 9, action }),
        };
        actions.map(ack).to_vec()
    }

    #[test]
    fn an_ack_comes_back_as_it_was() {
        for ack in acks() {
            let mut body = [0; 200];
            let length = encode_ack(&ack, &mut body).unwrap();
            assert_eq!(decode_ack(&body[..length]).unwrap(), ack);
        }
    }

    #[test]
    fn malformed_acks_are_refused_each_for_its_reason() {
        let base = [&[0xa3, 0, 1, 1, 0x50][..], &[3; 16][..], &[3][..]].concat();
        let with = |command: &[u8]| decode_ack(&[&base, command].concat()).unwrap_err().to_string();
        assert_eq!(with(&[0x82, 0, 1]), "command: out of range", "an id of 0");
        assert_eq!(with(&[0x82, 1, 4]), "command: out of range", "an unknown kind");
        assert_eq!(with(&[0x81, 1]), "command: out of range", "no kind");
        assert_eq!(decode_ack(&[0xa1, 0, 1]).unwrap_err().to_string(), "key 1 is missing");
        assert_eq!(decode_ack(&[0xa1, 1, 0x41, 0]).unwrap_err().to_string(), "answered salt: out of range");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_ack_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode_ack(&body);
        }

        #[test]
        fn any_bytes_are_a_report_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let _ = decode(&body);
        }

        #[test]
        fn a_damaged_report_never_panics(at in 0_usize..200, byte in any::<u8>()) {
            let mut body = encoded(&full_report());
            let at = at % body.len();
            body[at] = byte;
            let _ = decode(&body);
        }

        #[test]
        fn numbers_come_back_as_they_were(
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
            prop_assert_eq!(decode(&body).unwrap(), report);
        }
    }
}
