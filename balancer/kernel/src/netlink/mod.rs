//! What is said to the kernel over netlink, as bytes: pure, on top of [`weir_program::netlink`].
//!
//! | module       | what it holds                                              |
//! |--------------|------------------------------------------------------------|
//! | [`generic`]  | generic netlink, and the numbers of its families           |
//! | [`ipvs`]     | its family `IPVS`: services, servers, daemons, time-outs   |
//! | [`nftables`] | the table that marks packets                               |
//! | [`route`]    | ways to servers                                            |

pub mod generic;
pub mod ipvs;
pub mod nftables;
pub mod route;
