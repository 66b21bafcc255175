//! Makes this machine a real server for direct routing (LVS-DR): it accepts packets for the virtual addresses, but does
//! not announce them on the network, so that clients' packets keep going to the director.
//!
//! | module      | contents                                                            |
//! |-------------|---------------------------------------------------------------------|
//! | [`plan`]    | the current settings, the required ones, and the steps between; pure |
//! | [`record`]  | the applied changes, for undoing them; pure                         |
//! | [`address`] | netlink requests for the addresses of the loopback interface; pure  |
//! | [`kernel`]  | reads the settings, and applies steps                               |

pub mod address;
pub mod kernel;
pub mod plan;
pub mod record;

pub use plan::{Finding, Setting, State, Step};
pub use record::Record;
