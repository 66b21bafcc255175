//! Checks through the virtual address. The probe of a server goes to the address that clients use, on the path that
//! their packets take, and detects a server that answers at its own address but not at the virtual one.
//!
//! The packets of such a probe have a mark ([`ProbeOptions::mark`](weir_checks::ProbeOptions::mark)), for which the
//! kernel has a *probe service*: an IPVS service with this server alone. The probe's source is an address of the
//! director that is not virtual: a server drops packets from an address that it has itself.
//!
//! | module       | contents                                                      |
//! |--------------|---------------------------------------------------------------|
//! | [`services`] | the probe services and their marks; pure                      |
//! | [`source`]   | selection of a probe's source address; pure                   |
//! | [`routes`]   | routes to servers and addresses of this machine, from netlink |
//! | [`manual`]   | a single check, started manually                              |
//!
//! [`source`]: mod@source

pub mod manual;
pub mod routes;
pub mod services;
pub mod source;

pub use routes::{ProbeRoute, Routes};
pub use services::{ProbeService, ProbeServices};
