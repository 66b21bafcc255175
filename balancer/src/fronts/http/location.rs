//! Where a client is redirected to, as it stands in `Location`: put together only when it is written.

use std::borrow::Cow;
use std::fmt;

use crate::config::Application;
use crate::fleet::Protocol;
use crate::fronts::redirect::{Asked, Destination};

/// The URL that a client is redirected to.
#[derive(Debug)]
pub(super) struct Location<'a> {
    pub(super) destination: Destination,
    /// Where the client thought that it was going.
    pub(super) asked: Asked<'a>,
    /// What holds for what it asks for.
    pub(super) application: &'a Application,
    /// The path on the edge, without the slash before it.
    pub(super) path: Cow<'a, str>,
    pub(super) query: Option<&'a str>,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.destination.target(Protocol::Http, self.asked, self.application);
        write!(f, "{target}/{}", self.path)?;
        if let Some(query) = self.query {
            write!(f, "?{query}")?;
        }
        Ok(())
    }
}
