//! Changes in the syntax of `nft` and `ipvsadm`, to review them or to apply them manually.
//!
//! | module      | contents                                                        |
//! |-------------|-----------------------------------------------------------------|
//! | [`nft`]     | the table that marks packets, for `nft -f`                      |
//! | [`ipvsadm`] | services, servers, timeouts and sync daemons, for `ipvsadm -R`  |

pub mod ipvsadm;
pub mod nft;
