//! What Weir does to a fleet, simulated: how evenly clients are spread, by Weir and by others, in weather that is fair or
//! foul.
//!
//! | module        | what it holds                                                    |
//! |---------------|------------------------------------------------------------------|
//! | [`selection`] | the simulator: which edge gets which client, and what comes of it |
//!
//! Pure and deterministic: the same seed gives the same figures. What costs are measured, and everything is printed and
//! written, by the program of this crate.
#![forbid(unsafe_code)]

pub mod selection;
