//! Weir's balancer: tracks the load and liveness of edges, and sends each client to the least loaded one.
//!
//! Data flows in one direction. A report of an edge updates the fleet. The fleet publishes an immutable snapshot whose
//! load figures are live atomics. The fronts for clients, kernel mode and the administration read snapshots.
//!
//! ```text
//! edge agent ──sealed UDP report──▶ control ──▶ fleet ──snapshot──▶ fronts ──▶ clients
//!                                                             ├──▶ kernel ──▶ IPVS
//!                                                             └──▶ admin  ──▶ operators
//! ```
//!
//! Only two things flow back: a front counts an assignment on its edge, and an operator's command goes to the edge with
//! the next ack. An edge owns its state and repeats it in every report, so a balancer keeps none: it can be restarted
//! at any time, and any number of them can run side by side.
//!
//! The layers are crates, which the compiler keeps apart. [`weir_fleet`] is the domain, without I/O. [`weir_fronts`],
//! [`weir_kernel`] and [`weir_admin`] depend on it, but not on each other. This crate wires them:
//!
//! * [`Config`] is the configuration file, validated and converted to the settings of each crate.
//! * [`Server::bind`] binds all sockets, so that errors show at the start. [`Server::run`] starts the threads.
//! * Worker threads, by default one per core, accept and serve clients. The control thread receives reports.
//! * [`Reload`](reload::Reload) reads keys, certificates and the GeoIP database again on SIGHUP.
//!
//! | module          | contents                                                  |
//! |-----------------|-----------------------------------------------------------|
//! | [`config`]      | the configuration file, key files and the token           |
//! | [`control`]     | the control thread: reports, acks and commands            |
//! | [`geoip`]       | the networks of countries, from a GeoIP database          |
//! | [`reload`]      | files that are read again while the balancer runs         |
//! | [`server`]      | all parts wired together                                  |
//! | [`shutdown`]    | the signal that stops the threads                         |
//! | [`worker`]      | the threads that serve clients                            |
//! | [`kernel_mode`] | kernel mode as the administration sees it                 |
//! | [`metrics`]     | all metrics, registered in one place                      |
//! | [`open_files`]  | the limit of open files, and the clients that it allows   |
#![forbid(unsafe_code)]

pub mod config;
pub mod control;
pub mod geoip;
mod kernel_mode;
pub mod metrics;
pub mod open_files;
pub mod reload;
pub mod server;
mod shutdown;
mod worker;

pub use config::Config;
pub use server::Server;
