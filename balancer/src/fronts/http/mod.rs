//! HTTP: `*loadbalancer`, `?serverInfoXML`, `/crossdomain.xml` and `/redirect/…`.
//!
//! | module          | what it holds                                                        |
//! |-----------------|----------------------------------------------------------------------|
//! | [`head`]        | where a request's head ends, and what to say when it does not        |
//! | [`limits`]      | how much a client may send                                           |
//! | [`request`]     | a request, as far as answers depend on it                            |
//! | [`route`]       | which request gets which answer                                      |
//! | [`answer`]      | an answer, and its bytes                                             |
//! | [`location`]    | where a client is redirected to                                      |
//! | [`bridge`]      | hyper's requests in, our answers out                                 |
//! | [`server_info`] | the pool as XML                                                      |
//! | [`simple`]      | requests that are complete with their head                           |
//! | [`mod@hyper`]   | a connection that hyper serves                                       |
//! | [`mod@serve`]   | one connection                                                       |

mod answer;
mod bridge;
mod head;
mod hyper;
mod limits;
mod location;
mod request;
mod route;
mod serve;
mod server_info;
mod simple;

pub use limits::Limits;
pub(super) use serve::serve;
