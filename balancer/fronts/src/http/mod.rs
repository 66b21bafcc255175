//! HTTP: redirects, content steering, and what the original and its forks answer.
//!
//! | module          | what it holds                                                        |
//! |-----------------|----------------------------------------------------------------------|
//! | [`head`]        | where a request's head ends, and what to say when it does not        |
//! | [`limits`]      | how much a client may send                                           |
//! | [`request`]     | a request, as far as answers depend on it                            |
//! | [`route`]       | which request gets which answer                                      |
//! | [`answer`]      | an answer, and its bytes                                             |
//! | [`redirect`]    | `/redirect/…` and configured prefixes                                |
//! | [`location`]    | … where a client is redirected to                                    |
//! | [`server_info`] | `?serverInfoXML`, `?serverInfoJSON`                                  |
//! | [`steering`]    | `/steering/…`: from where a player is to play                        |
//! | [`smil`]        | `/smil:…` for JW Player                                              |
//! | [`pick`]        | `/api/v1/pick` for one's own players                                 |
//! | [`obs`]         | OBS's configuration                                                  |
//! | [`cors`]        | what lets web pages ask                                              |
//! | [`query`]       | the parameters of a query                                            |
//! | [`bridge`]      | hyper's requests in, our answers out                                 |
//! | [`direct`]      | an answer without a connection                                       |
//! | [`simple`]      | requests that are complete with their head                           |
//! | [`mod@hyper`]   | a connection that hyper serves                                       |
//! | [`mod@serve`]   | one connection                                                       |

mod answer;
mod bridge;
mod cors;
mod direct;
mod head;
mod hyper;
mod limits;
mod location;
mod obs;
mod pick;
mod query;
mod redirect;
mod request;
mod route;
mod serve;
mod server_info;
mod simple;
mod smil;
mod steering;

pub use direct::respond;
pub use limits::Limits;
pub(super) use serve::serve;
