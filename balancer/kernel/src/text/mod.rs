//! Changes as text, as `nft` and `ipvsadm` take it: for who wants to see what Weir would do, or do it by hand.
//!
//! | module      | what it holds                                          |
//! |-------------|--------------------------------------------------------|
//! | [`nft`]     | the table that marks packets, for `nft -f`             |
//! | [`ipvsadm`] | services, servers and the rest, for `ipvsadm -R`       |

pub mod ipvsadm;
pub mod nft;
