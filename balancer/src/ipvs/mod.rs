//! Kernel mode: the kernel forwards (Linux Virtual Server, IPVS), Weir decides.
//!
//! | module         | what it holds                                                   |
//! |----------------|-----------------------------------------------------------------|
//! | [`group`]      | what is configured                                              |
//! | [`candidates`] | who could serve, and in what condition each is                  |
//! | [`checks`]     | whether each server works                                       |
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
//! | [`import`]     | services from what other programs were configured with          |
//! | [`keepalived`] | configurations of keepalived for a pair of directors            |
//! | [`doctor`]     | what keeps kernel mode from working here, and what to do        |
//!
//! All but sockets, variables, the thread, the shell of the checks and what the doctor collects is pure.

pub mod candidates;
pub mod checks;
pub mod controller;
pub mod desired;
pub mod directors;
pub mod doctor;
pub mod dry_run;
pub mod group;
pub mod import;
pub mod keepalived;
pub mod kernel;
pub mod model;
pub mod netlink;
pub mod plan;
pub mod status;
pub mod sysctls;
pub mod text;
pub mod through;
pub mod weights;

#[cfg(test)]
mod rehearsal;
