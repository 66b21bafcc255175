//! Kernel mode: the kernel forwards (Linux Virtual Server, IPVS), Weir decides.
//!
//! | module      | what it holds                                                             |
//! |-------------|---------------------------------------------------------------------------|
//! | [`model`]   | virtual services, real servers, marks, as the kernel keeps them           |
//! | [`plan`]    | from what is there to what is desired, change by change                   |
//! | [`netlink`] | changes and answers as bytes                                              |
//! | [`text`]    | changes as `nft` and `ipvsadm` take them                                  |
//! | [`kernel`]  | the sockets: reads what is there, and makes changes                       |
//! | [`checks`]  | whether each server works                                                 |
//!
//! All but the sockets, and the shell of the checks, is pure.

pub mod checks;
pub mod kernel;
pub mod model;
pub mod netlink;
pub mod plan;
pub mod text;

#[cfg(test)]
mod rehearsal;
