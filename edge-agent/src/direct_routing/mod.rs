//! Makes this machine a real server for direct routing: it takes packets for the virtual addresses, and never tells that
//! it has them, so that the director keeps getting what clients send.
//!
//! | module      | what it holds                                                       |
//! |-------------|---------------------------------------------------------------------|
//! | [`plan`]    | what there is, what is to be, and the steps between; pure           |
//! | [`record`]  | what was changed, so that it can be undone; pure                    |
//! | [`address`] | requests about the addresses of loopback; pure                      |
//! | [`kernel`]  | reads what there is, and makes steps                                |

pub mod address;
pub mod kernel;
pub mod plan;
pub mod record;

pub use plan::{Finding, Setting, State, Step};
pub use record::Record;
