//! Weir's balancer: tracks the load and liveness of edges, and sends each client to the least loaded one.
//!
//! Data flows one way: a report changes the fleet, the fleet publishes a snapshot, fronts, kernel mode and the administration
//! read snapshots.
//!
//! ```text
//! edge agent ──sealed UDP report──▶ control ──▶ fleet ──snapshot──▶ fronts ──▶ clients
//!                                                             ├──▶ kernel ──▶ IPVS
//!                                                             └──▶ admin  ──▶ operators
//! ```
//!
//! The layers are crates: [`weir_fleet`] is the domain, and pure; [`weir_fronts`], [`weir_kernel`] and [`weir_admin`] know it,
//! and not each other. This one wires them.
//!
//! | module         | what it holds                                            |
//! |----------------|----------------------------------------------------------|
//! | [`config`]     | TOML in, the settings of each crate out; keys            |
//! | [`control`]    | reports from the socket into the fleet                   |
//! | [`geoip`]      | the zones of countries, out of a database                |
//! | [`reload`]     | what is read again while the balancer runs               |
//! | [`server`]     | all of it wired together and run                         |
//! | [`open_files`] | how many files may be open, and how many clients         |
#![forbid(unsafe_code)]

pub mod config;
pub mod control;
pub mod geoip;
mod kernel_mode;
pub mod open_files;
pub mod reload;
pub mod server;
mod worker;

pub use config::Config;
pub use server::Server;
