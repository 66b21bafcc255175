//! Encoders and parsers of netlink messages, on top of [`weir_program::netlink`]. Pure.
//!
//! | module       | contents                                                   |
//! |--------------|------------------------------------------------------------|
//! | [`generic`]  | generic netlink, and the numbers of its families           |
//! | [`ipvs`]     | its family `IPVS`: services, servers, daemons, timeouts    |
//! | [`nftables`] | nf_tables: the table that marks packets                    |
//! | [`route`]    | routes                                                     |

pub mod generic;
pub mod ipvs;
pub mod nftables;
pub mod route;
