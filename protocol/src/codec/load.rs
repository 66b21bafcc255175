//! The maps of load and capacity within a report.

use minicbor::Decoder;

use super::DecodeError;
use super::read::{decode_float, decode_map, decode_name};
use super::write::{EncodeResult, Output, count, encode_u64};
use crate::report::{Capacity, Load};

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

pub(super) fn encode_load(e: &mut Output<'_>, load: &Load<'_>) -> EncodeResult {
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
            e.str(name.as_str())?.f32(*value)?;
        }
    }
    Ok(())
}

pub(super) fn decode_load<'b>(d: &mut Decoder<'b>, load: &mut Load<'b>) -> Result<(), DecodeError> {
    decode_map(d, |d, key| {
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
            load_key::UTILISATIONS => decode_utilisations(d, load)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(())
}

fn decode_utilisations<'b>(d: &mut Decoder<'b>, load: &mut Load<'b>) -> Result<(), DecodeError> {
    for _ in 0..d.map()?.ok_or(DecodeError::Indefinite)? {
        let entry = (decode_name(d, "utilisations")?, decode_float(d, "utilisations")?);
        if load.utilisations.iter().any(|(name, _)| *name == entry.0) {
            return Err(DecodeError::Duplicate);
        }
        load.utilisations.try_push(entry).map_err(|_| DecodeError::TooMany("utilisations"))?;
    }
    Ok(())
}

pub(super) fn encode_capacity(e: &mut Output<'_>, capacity: &Capacity) -> EncodeResult {
    let Capacity { connections, bits_per_second } = *capacity;
    e.map(count(&[connections.is_some(), bits_per_second.is_some()]))?;
    encode_u64(e, capacity_key::CONNECTIONS, connections)?;
    encode_u64(e, capacity_key::BITS_PER_SECOND, bits_per_second)
}

pub(super) fn decode_capacity(d: &mut Decoder<'_>, capacity: &mut Capacity) -> Result<(), DecodeError> {
    decode_map(d, |d, key| {
        match key {
            capacity_key::CONNECTIONS => capacity.connections = Some(d.u64()?),
            capacity_key::BITS_PER_SECOND => capacity.bits_per_second = Some(d.u64()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(())
}
