//! A simulation of how evenly clients are spread over a fleet, by Weir and by other algorithms, in normal operation and
//! with faults.
//!
//! | module        | contents                                                              |
//! |---------------|-----------------------------------------------------------------------|
//! | [`selection`] | the simulator: which edge each client gets, and the load that results |
//!
//! The simulation is pure and deterministic: the same seed gives the same figures. The program of this crate runs it,
//! measures the cost of Weir, and prints and writes all results.
#![forbid(unsafe_code)]

pub mod selection;
