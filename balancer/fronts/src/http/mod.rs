//! HTTP: redirects, content steering, and the responses of the Wowza Load Balancer AddOn and its forks.
//!
//! | module                 | contents                                                             |
//! |------------------------|----------------------------------------------------------------------|
//! | [`mod@serve`]          | one connection: start reading here                                   |
//! | [`head`]               | finds the end of a request's head                                    |
//! | [`limits`]             | limits on what a client may send                                     |
//! | [`simple`]             | parses requests without a body, the fast path                        |
//! | [`hyper_server`]       | serves all other requests with hyper                                 |
//! | [`bridge`]             | … and converts its requests and responses                            |
//! | [`request`]            | the parts of a request that responses depend on                      |
//! | [`query`]              | the parameters of a query                                            |
//! | [`route`]              | maps requests to handlers                                            |
//! | [`redirect`]           | `/redirect/…` and configured prefixes                                |
//! | [`location`]           | … the `Location` of a redirect                                       |
//! | [`mod@assign`]         | an edge for a request                                                |
//! | [`server_info`]        | `?serverInfoXML`, `?serverInfoJSON`                                  |
//! | [`steering`]           | `/steering/…`: content steering manifests                            |
//! | [`smil`]               | `/smil:…` for JW Player                                              |
//! | [`pick`]               | `/api/v1/pick` for players and apps                                  |
//! | [`obs`]                | `GetClientConfiguration` of OBS                                      |
//! | [`cors`]               | CORS headers for web players                                         |
//! | [`response`]           | a response and its bytes                                             |
//! | [`mod@respond`]        | a response without a connection                                      |

mod assign;
mod bridge;
mod cors;
mod head;
mod hyper_server;
mod limits;
mod location;
mod obs;
mod pick;
mod query;
mod redirect;
mod request;
mod respond;
mod response;
mod route;
mod serve;
mod server_info;
mod simple;
mod smil;
pub mod steering;

pub use limits::Limits;
pub use respond::respond;
pub(crate) use serve::serve;
