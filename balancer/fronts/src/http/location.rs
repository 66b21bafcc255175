//! The `Location` of a redirect, composed only when it is written.

use std::borrow::Cow;
use std::fmt;

use weir_fleet::Protocol;

use crate::http::query;
use crate::redirect::{Assignment, RequestedUrl};
use crate::settings::Application;

/// The URL that a client is redirected to.
#[derive(Debug)]
pub(super) struct Location<'a> {
    pub(super) assignment: Assignment,
    pub(super) requested: RequestedUrl<'a>,
    pub(super) application: &'a Application,
    pub(super) resource: Resource<'a>,
    /// Query parameter to add.
    pub(super) hop_mark: Option<&'a str>,
}

/// Path and query on the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource<'a> {
    /// Without its leading slash.
    path: Cow<'a, str>,
    query: Option<&'a str>,
    /// The path is that of a stream; the client requests its HLS playlist.
    is_playlist: bool,
}

/// Requests the HLS playlist of a stream, as with version 4 of the Wowza Dynamic Load Balancing AddOn.
const HLS_TYPE: &str = "type=m3u8";

impl<'a> Resource<'a> {
    /// The resource at `path`, without its leading slash.
    ///
    /// With `type=m3u8` in the query, a path that is not a playlist is that of a stream, whose playlist is
    /// `playlist.m3u8` below it. Edges do not support the parameter, so it is removed.
    pub(super) fn new(path: &'a str, query: Option<&'a str>, application: &Application) -> Self {
        let is_stream = || path.trim_end_matches('/').contains('/') && !path.ends_with(".m3u8");
        let is_playlist =
            query.is_some_and(|query| query::parameters(query).any(|parameter| parameter == HLS_TYPE)) && is_stream();
        let path = if is_playlist { path.trim_end_matches('/') } else { path };
        Self { path: application.rename(path), query, is_playlist }
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.assignment.target(Protocol::Http, self.requested, self.application);
        let Resource { path, query, is_playlist } = &self.resource;
        write!(f, "{target}/{path}")?;
        let mut separator = '?';
        match query {
            Some(query) if *is_playlist => {
                f.write_str("/playlist.m3u8")?;
                for parameter in query::parameters(query).filter(|parameter| *parameter != HLS_TYPE) {
                    write!(f, "{separator}{parameter}")?;
                    separator = '&';
                }
            }
            Some(query) => {
                write!(f, "?{query}")?;
                separator = '&';
            }
            None => {}
        }
        match self.hop_mark {
            Some(mark) => write!(f, "{separator}{mark}=1"),
            None => Ok(()),
        }
    }
}
