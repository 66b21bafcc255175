//! HTTP: `*loadbalancer`, `?serverInfoXML`, `/crossdomain.xml` and `/redirect/…`.
//!
//! | module          | what it holds                                                        |
//! |-----------------|----------------------------------------------------------------------|
//! | [`head`]        | where a request's head ends, and what to say when it does not        |
//! | [`limits`]      | how much a client may send                                           |
//! | [`answer`]      | which request gets which answer                                      |
//! | [`server_info`] | the pool as XML                                                      |
//! | [`mod@serve`]   | one connection: the first head within its limits, then hyper         |

mod answer;
mod head;
mod limits;
mod serve;
mod server_info;

pub use limits::Limits;
pub(super) use serve::serve;
