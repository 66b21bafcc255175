//! The values that command messages are made of: Action Message Format 0.
//!
//! Source: "Action Message Format – AMF 0", Adobe, 2007; section numbers below are its.
//!
//! * [`reader`]: borrows from the message, picks the scalars wanted, walks past the rest.
//! * [`writer`]: the few kinds of value that our answers use.

pub mod reader;
pub mod writer;

pub use reader::{Error, Reader, Value};
pub use writer::Writer;

/// The byte in front of each value that says what it is (section 2.1).
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0a;
    pub(super) const DATE: u8 = 0x0b;
    pub(super) const LONG_STRING: u8 = 0x0c;
    pub(super) const UNSUPPORTED: u8 = 0x0d;
    pub(super) const XML_DOCUMENT: u8 = 0x0f;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
}
