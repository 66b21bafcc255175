//! Primitives for writing CBOR.

use std::time::Duration;

use minicbor::Encoder;
use minicbor::encode::write::{Cursor, EndOfSlice};

use super::TooLong;

/// Writes into a slice. Its end is the only way to fail.
pub(super) type Output<'o> = Encoder<Cursor<&'o mut [u8]>>;

pub(super) type EncodeResult = Result<(), minicbor::encode::Error<EndOfSlice>>;

/// Calls `write` on `output`, and returns the number of bytes written.
pub(super) fn into_slice(
    output: &mut [u8],
    write: impl FnOnce(&mut Output<'_>) -> EncodeResult,
) -> Result<usize, TooLong> {
    let mut encoder = Encoder::new(Cursor::new(output));
    write(&mut encoder).map_err(|_| TooLong)?;
    Ok(encoder.writer().position())
}

/// Writes a key and its value, or nothing if the value is unknown.
pub(super) fn encode_u64(e: &mut Output<'_>, key: u32, value: Option<u64>) -> EncodeResult {
    match value {
        Some(value) => e.u32(key)?.u64(value)?.ok(),
        None => Ok(()),
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Counts the entries of a map that are present.
pub(super) fn count(present: &[bool]) -> u64 {
    present.iter().filter(|present| **present).count() as u64
}
