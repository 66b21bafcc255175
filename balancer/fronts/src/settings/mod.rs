//! What is configured of the fronts: the sections of the configuration file that are theirs.
//!
//! | section           | module          |
//! |-------------------|-----------------|
//! | `[[listener]]`    | [`listener`]    |
//! | `[[application]]` | [`application`] |
//! | `[http]`          | [`http`]        |
//! | `[relay]`         | [`relay`]       |
//! | `[limits]`        | [`limits`]      |
//! | `[tls]`           | [`tls`]         |

pub mod application;
pub mod http;
pub mod limits;
pub mod listener;
pub mod relay;
pub mod tls;

pub use application::{Application, Mode};
pub use http::{Http, ServerInfo};
pub use limits::{Limits, Repeats};
pub use listener::Listener;
pub use relay::{ProxyProtocol, Relay};
pub use tls::Tls;

use crate::redirect::OverflowTarget;

/// What is configured of the fronts.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What holds for the clients of each application.
    pub applications: Vec<Application>,
    /// What is answered over HTTP.
    pub http: Http,
    /// Clients whose bytes are carried to their edge.
    pub relay: Relay,
    /// What one client may cost.
    pub limits: Limits,
    /// Where clients go that no edge can take.
    pub overflow: Vec<OverflowTarget>,
    /// The parameter that HTTP redirects add to the query, to notice when one leads back here.
    pub hop_mark: Option<String>,
}
