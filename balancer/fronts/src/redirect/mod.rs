//! Where a client goes: from its assignment to the URL that it is redirected to, or the port that it is relayed to.
//!
//! | module         | contents                                                                  |
//! |----------------|---------------------------------------------------------------------------|
//! | [`requested`]  | the URL that the client requested, and a listener's defaults               |
//! | [`assignment`] | the edge or overflow target that the client is assigned                    |
//! | [`target`]     | scheme, host and port there                                                |

mod assignment;
mod requested;
mod target;

pub(crate) use assignment::{Assignment, Destination};
pub use requested::{RedirectDefaults, RequestedUrl};
pub use target::Target;
