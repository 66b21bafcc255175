//! Kernel mode: the Linux kernel forwards (Linux Virtual Server, IPVS), Weir manages it.
//!
//! nf_tables sets a firewall mark on packets to a virtual service, and IPVS schedules the connections of each mark over
//! the real servers. The [`controller`] keeps the kernel in its desired state, in turns: at the start, whenever the
//! fleet or the verdict of a health check changes, and at every interval. In a turn, it
//!
//! 1. **observes**: it reads the kernel's state over [`netlink`], and determines the [`real_servers`] of each service
//!    and their conditions, from the configuration, agents' reports and the verdicts of health checks;
//! 2. **decides**: it computes [`weights`] from the load that agents report, applies quorum, sorry servers and drains,
//!    and arrives at the [`desired`] state of the kernel. Differences between the kernel and the state that was applied
//!    last are changes by other programs (*drift*), and are logged and counted;
//! 3. **applies**: it [`plan`]s the changes from the actual to the desired state, in an order that refuses no client
//!    that could be served, executes them, and reads the kernel again to verify them. Changes that the kernel refuses
//!    are tried again at the next interval. It then updates the health checks, and publishes its [`status`].
//!
//! What Weir owns is identified by its marks. Services of other programs are never changed.
//!
//! | module               | contents                                                                 |
//! |----------------------|--------------------------------------------------------------------------|
//! | [`config`]           | sections of the configuration file                                       |
//! | [`settings`]         | the validated configuration: virtual services, directors                 |
//! | [`real_servers`]     | the real servers of a service and their conditions                       |
//! | [`weights`]          | weights from the load that agents report                                 |
//! | [`desired`]          | desired state of a service: quorum, sorry server, drains                 |
//! | [`vip_checks`]       | probe services, for checks through the virtual address                   |
//! | [`model`]            | services, servers, marks and sync daemons of the kernel                  |
//! | [`plan`]             | changes from the actual to the desired state                             |
//! | [`netlink`]          | changes and replies as netlink messages                                  |
//! | [`kernel`]           | the netlink sockets: reads the kernel's state and applies changes        |
//! | [`sysctls`]          | required sysctls                                                         |
//! | [`controller`]       | the thread that keeps the kernel in its desired state                    |
//! | [`directors`]        | keepalived, for a pair of directors                                      |
//! | [`status`]           | status of kernel mode                                                    |
//! | [`metrics`]          | the status for Prometheus                                                |
//! | [`text`]             | changes in the syntax of `nft` and `ipvsadm`                             |
//! | [`dry_run`]          | the changes that a configuration would make                              |
//! | [`import`]           | configurations of ldirectord and keepalived                              |
//! | [`keepalived`]       | keepalived's configuration for a pair of directors                       |
//! | [`doctor`]           | finds problems that keep kernel mode from working                        |
//!
//! Only [`kernel`], [`sysctls`], [`controller`], [`directors`], [`vip_checks::routes`] and [`doctor::collect`] do I/O.
//! All other modules are pure.

#![forbid(unsafe_code)]

pub mod config;
pub mod controller;
pub mod desired;
pub mod directors;
pub mod doctor;
pub mod dry_run;
pub mod import;
pub mod keepalived;
pub mod kernel;
pub mod metrics;
pub mod model;
pub mod netlink;
pub mod plan;
pub mod real_servers;
pub mod settings;
pub mod status;
pub mod sysctls;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod vip_checks;
pub mod weights;

#[cfg(test)]
mod simulated_kernel;

pub use controller::Controller;
pub use settings::Settings;
