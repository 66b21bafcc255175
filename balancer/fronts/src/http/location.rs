//! Where a client is redirected to, as it stands in `Location`: put together only when it is written.

use std::borrow::Cow;
use std::fmt;

use weir_fleet::Protocol;

use crate::http::query;
use crate::redirect::{Assignment, RequestedUrl};
use crate::settings::Application;

/// The URL that a client is redirected to.
#[derive(Debug)]
pub(super) struct Location<'a> {
    pub(super) destination: Assignment,
    /// Where the client thought that it was going.
    pub(super) asked: RequestedUrl<'a>,
    /// What holds for what it asks for.
    pub(super) application: &'a Application,
    pub(super) resource: Resource<'a>,
    /// A parameter to add.
    pub(super) hop_mark: Option<&'a str>,
}

/// What a client gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource<'a> {
    /// The path on the edge, without the slash before it.
    path: Cow<'a, str>,
    query: Option<&'a str>,
    /// The path is that of a stream, and its HLS playlist is meant.
    is_playlist: bool,
}

/// Asks for the HLS playlist of a stream, as with the original's later versions.
const HLS_TYPE: &str = "type=m3u8";

impl<'a> Resource<'a> {
    /// What is at `path`, without the slash before it.
    ///
    /// With `type=m3u8` in the query, a path that names no playlist is that of a stream, and its playlist is
    /// `playlist.m3u8` below it; edges know nothing of that parameter, and it is left out.
    pub(super) fn new(path: &'a str, query: Option<&'a str>, application: &Application) -> Self {
        let is_stream = || path.trim_end_matches('/').contains('/') && !path.ends_with(".m3u8");
        let is_playlist = query.is_some_and(|query| query::pairs(query).any(|pair| pair == HLS_TYPE)) && is_stream();
        let path = if is_playlist { path.trim_end_matches('/') } else { path };
        Self { path: application.rename(path), query, is_playlist }
    }
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.destination.target(Protocol::Http, self.asked, self.application);
        let Resource { path, query, is_playlist } = &self.resource;
        write!(f, "{target}/{path}")?;
        let mut separator = '?';
        match query {
            Some(query) if *is_playlist => {
                f.write_str("/playlist.m3u8")?;
                for pair in query::pairs(query).filter(|pair| *pair != HLS_TYPE) {
                    write!(f, "{separator}{pair}")?;
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
