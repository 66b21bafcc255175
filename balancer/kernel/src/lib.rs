//! Kernel mode: the kernel forwards (Linux Virtual Server, IPVS), Weir decides.
//!
//! | module         | what it holds                                                   |
//! |----------------|-----------------------------------------------------------------|
//! | [`config`]     | the sections of the configuration file                          |
//! | [`settings`]   | what is configured, checked                                     |
//! | [`group`]      | … a virtual service                                             |
//! | [`candidates`] | who could serve, and in what condition each is                  |
//! | [`weights`]    | each server's share, from the load that agents report           |
//! | [`desired`]    | what shall be in the kernel                                     |
//! | [`through`]    | … so that servers can be checked through virtual addresses      |
//! | [`model`]      | virtual services, real servers, marks, as the kernel keeps them |
//! | [`plan`]       | from what is there to what is desired, change by change         |
//! | [`netlink`]    | changes and answers as bytes                                    |
//! | [`text`]       | changes as `nft` and `ipvsadm` take them                        |
//! | [`dry_run`]    | … and all of what is configured                                 |
//! | [`sysctls`]    | variables that the methods in use need                          |
//! | [`kernel`]     | the sockets: reads what is there, and makes changes             |
//! | [`controller`] | the thread that keeps the kernel as it should be                |
//! | [`directors`]  | one of two: keepalived says which                               |
//! | [`status`]     | … and how it is doing                                           |
//! | [`metrics`]    | … the same for Prometheus                                       |
//! | [`import`]     | services from what other programs were configured with          |
//! | [`keepalived`] | configurations of keepalived for a pair of directors            |
//! | [`doctor`]     | what keeps kernel mode from working here, and what to do        |
//!
//! All but sockets, variables, the thread and what the doctor collects is pure.

#![forbid(unsafe_code)]

pub mod candidates;
pub mod config;
pub mod controller;
pub mod desired;
pub mod directors;
pub mod doctor;
pub mod dry_run;
pub mod group;
pub mod import;
pub mod keepalived;
pub mod kernel;
pub mod metrics;
pub mod model;
pub mod netlink;
pub mod plan;
pub mod settings;
pub mod status;
pub mod sysctls;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod through;
pub mod weights;

#[cfg(test)]
mod rehearsal;

pub use controller::Controller;
pub use settings::Settings;
