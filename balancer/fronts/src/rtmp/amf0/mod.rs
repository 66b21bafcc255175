//! The values of command messages, in Action Message Format 0.
//!
//! Source: "Action Message Format – AMF 0", Adobe, 2007. Section numbers in this folder are its own.
//!
//! * [`reader`]: reads values. It borrows from the message, keeps scalars, and skips objects and arrays.
//! * [`writer`]: writes the few kinds of value that responses use.
//! * `marker`: the byte that precedes each value.

mod marker;
pub mod reader;
pub mod writer;

pub use reader::{Error, Reader, Value};
pub use writer::Writer;
