//! TLS: the balancer's certificate for clients, and trust in edges.
//!
//! | module          | contents                                                     |
//! |-----------------|--------------------------------------------------------------|
//! | [`certificate`] | the certificate of the listeners, reloaded without a restart |
//! | [`edge`]        | verification of edges' certificates                          |

pub mod certificate;
pub mod edge;

pub use certificate::Certificate;
