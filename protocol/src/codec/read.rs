//! Primitives for reading CBOR.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use minicbor::Decoder;
use minicbor::data::Type;

use super::DecodeError;
use crate::host::Host;
use crate::name::Name;

/// Reads a body: one map with at least the `required` keys, and nothing after it. For `field` see [`decode_map`].
pub(super) fn decode_body<'b>(
    body: &'b [u8],
    required: &[u32],
    field: impl FnMut(&mut Decoder<'b>, u32) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    let mut d = Decoder::new(body);
    let seen = decode_map(&mut d, field)?;
    if d.position() != body.len() {
        return Err(DecodeError::Trailing);
    }
    let missing = required.iter().find(|key| seen & (1 << **key) == 0);
    missing.map_or(Ok(()), |key| Err(DecodeError::Missing(*key)))
}

/// Reads a map. `field` reads the value of a known key and returns true; the values of other keys are skipped. Returns
/// the known keys that were present, as bits.
pub(super) fn decode_map<'b>(
    d: &mut Decoder<'b>,
    mut field: impl FnMut(&mut Decoder<'b>, u32) -> Result<bool, DecodeError>,
) -> Result<u64, DecodeError> {
    let mut seen = 0_u64;
    for _ in 0..d.map()?.ok_or(DecodeError::Indefinite)? {
        // A larger key is unknown in any case, and skipped.
        let key = u32::try_from(d.u64()?).unwrap_or(u32::MAX);
        if !field(d, key)? {
            d.skip()?;
            continue;
        }
        // The specification assigns keys below 64 only.
        let bit = 1_u64.checked_shl(key).unwrap_or(0);
        if seen & bit != 0 {
            return Err(DecodeError::Duplicate);
        }
        seen |= bit;
    }
    Ok(seen)
}

/// Reads an array of at most `N` elements.
pub(super) fn decode_list<'b, T, const N: usize>(
    d: &mut Decoder<'b>,
    what: &'static str,
    mut element: impl FnMut(&mut Decoder<'b>) -> Result<T, DecodeError>,
) -> Result<ArrayVec<T, N>, DecodeError> {
    let mut list = ArrayVec::new();
    for _ in 0..d.array()?.ok_or(DecodeError::Indefinite)? {
        list.try_push(element(d)?).map_err(|_| DecodeError::TooMany(what))?;
    }
    Ok(list)
}

/// Reads an array of at least `known` elements. `read` reads these; later versions may have more, which are skipped.
pub(super) fn decode_tuple<'b, T>(
    d: &mut Decoder<'b>,
    known: u64,
    what: &'static str,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let length = d.array()?.ok_or(DecodeError::Indefinite)?;
    if length < known {
        return Err(DecodeError::Range(what));
    }
    let value = read(d)?;
    for _ in known..length {
        d.skip()?;
    }
    Ok(value)
}

pub(super) fn decode_host<'b>(d: &mut Decoder<'b>, what: &'static str) -> Result<Host<'b>, DecodeError> {
    Host::new(d.str()?).map_err(|_| DecodeError::Range(what))
}

pub(super) fn decode_name<'b>(d: &mut Decoder<'b>, what: &'static str) -> Result<Name<'b>, DecodeError> {
    Name::new(d.str()?).map_err(|_| DecodeError::Range(what))
}

/// Reads a byte string of 4 or 16 bytes.
pub(super) fn decode_address(d: &mut Decoder<'_>, what: &'static str) -> Result<IpAddr, DecodeError> {
    let bytes = d.bytes()?;
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).map(IpAddr::from).map_err(|_| DecodeError::Range(what))
}

/// Reads a float of any width, or an unsigned integer; finite and not negative.
pub(super) fn decode_float(d: &mut Decoder<'_>, what: &'static str) -> Result<f32, DecodeError> {
    let value = match d.datatype()? {
        Type::F16 => d.f16()?,
        Type::F32 => d.f32()?,
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are more than a load needs")]
        Type::F64 => d.f64()? as f32,
        #[expect(clippy::cast_precision_loss, reason = "seven digits are more than a load needs")]
        _ => d.u64()? as f32,
    };
    // Negative zero is zero: as a weight it must be rejected like 0.
    if value.is_finite() && value >= 0.0 { Ok(value.abs()) } else { Err(DecodeError::Range(what)) }
}
