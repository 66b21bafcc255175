//! Endpoints: arrays of scheme, host and port.

use minicbor::Decoder;
use minicbor::data::Type;

use super::DecodeError;
use super::read::{decode_host, decode_name, decode_tuple};
use super::write::{EncodeResult, Output};
use crate::report::Endpoint;

pub(super) fn encode_endpoint(e: &mut Output<'_>, endpoint: &Endpoint<'_>) -> EncodeResult {
    e.array(3)?.str(endpoint.scheme)?;
    match endpoint.host {
        Some(host) => e.str(host.as_str())?,
        None => e.null()?,
    };
    e.u16(endpoint.port)?.ok()
}

pub(super) fn decode_endpoint<'b>(d: &mut Decoder<'b>) -> Result<Endpoint<'b>, DecodeError> {
    decode_tuple(d, 3, "endpoints", |d| {
        let scheme = decode_name(d, "endpoints")?.as_str();
        if !is_scheme(scheme) {
            return Err(DecodeError::Range("endpoints"));
        }
        let host = if d.datatype()? == Type::Null {
            d.null()?;
            None
        } else {
            Some(decode_host(d, "endpoints")?)
        };
        let port = d.u16()?;
        if port == 0 { Err(DecodeError::Range("endpoints")) } else { Ok(Endpoint { scheme, host, port }) }
    })
}

/// RFC 3986 section 3.1, without upper case.
fn is_scheme(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(allowed)
}
