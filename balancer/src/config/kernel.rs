//! `[kernel]` and `[[kernel.service]]`: kernel mode.

pub mod check;

pub use check::Check;
