//! Checks through the virtual address: the probe of a server goes to the address that clients know, as a client's packets
//! do, and finds a server that answers at its own address but not at the virtual one.
//!
//! What a probe sends has a mark of its own ([`ProbeOptions::mark`](weir_checks::ProbeOptions::mark)), and for that mark
//! the kernel has a service with this one server. The probe comes from an address of the director's own: a server drops
//! what comes from an address that it has itself.
//!
//! | module      | what it holds                                                                     |
//! |-------------|-----------------------------------------------------------------------------------|
//! | [`leads`]   | the services that lead to one server each, and their marks; pure                  |
//! | [`source`]  | the address that a server is asked from; pure                                     |
//! | [`paths`]   | the ways to servers, and this machine's addresses: asks the kernel                |
//! | [`by_hand`] | one check, by what there is in the kernel                                         |
//!
//! [`source`]: mod@source

pub mod by_hand;
pub mod leads;
pub mod paths;
pub mod source;

pub use leads::{Lead, Leads};
pub use paths::{Path, Paths};
