//! Weir's balancer: tracks the load and liveness of edges, and sends each client to the least loaded one.
//!
//! Data flows one way: a report changes the fleet, the fleet publishes a snapshot, fronts and the administration read
//! snapshots.
//!
//! ```text
//! edge agent ──sealed UDP report──▶ intake ──▶ fleet ──snapshot──▶ fronts ──▶ clients
//!                                                             └──▶ admin  ──▶ operators
//! ```
//!
//! | module      | what it holds                                                          |
//! |-------------|------------------------------------------------------------------------|
//! | [`config`]  | TOML in, checked types out; keys                                       |
//! | [`fleet`]   | the domain, pure: every edge, and which gets the next client           |
//! | [`geoip`]   | the zones of countries, out of a database                              |
//! | [`intake`]  | reports from the socket into the fleet                                 |
//! | [`fronts`]  | what clients talk to: HTTP, RTMP, RTSP                                 |
//! | [`admin`]   | what operators and monitoring talk to                                  |
//! | [`ipvs`]    | kernel mode: the kernel forwards, Weir decides                         |
//! | [`playlist`] | HLS playlists that have players ask from where to play               |
//! | [`metrics`] | what is counted                                                        |
//! | [`relayed`] | … of the clients whose bytes are carried                               |
//! | [`tls`]     | the certificate that clients are shown                                 |
//! | [`clock`]   | time since the start, and time of day                                  |
//! | [`server`]  | all of them wired together and run                                     |
#![forbid(unsafe_code)]

pub mod admin;
pub mod clock;
pub mod config;
pub mod fleet;
pub mod fronts;
pub mod geoip;
pub mod intake;
pub mod ipvs;
pub mod metrics;
pub mod playlist;
pub mod relayed;
pub mod server;
pub mod tls;

pub use config::Config;
pub use server::Server;
