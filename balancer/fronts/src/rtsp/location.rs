//! The URL in the `Location` header of a redirect.

use std::fmt;

use thiserror::Error;

use super::target::{Target, TargetError};

/// An absolute RTSP URL that is safe in a `Location` header (RFC 2326 section 12.25).
///
/// Absolute, because ffmpeg and live555 fail at a relative one, and GStreamer repeats its request without end. Visible
/// ASCII, so that it cannot add anything to the head. Without user name and password, which the client has for the host
/// that it chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location(String);

/// Why a URL cannot be a [`Location`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LocationError {
    /// It is not an RTSP URL.
    #[error(transparent)]
    Url(#[from] TargetError),
    /// It is `*` or a path.
    #[error("the location is not absolute")]
    Relative,
    /// It contains a user name or password.
    #[error("the location contains a user name or password")]
    Userinfo,
}

impl LocationError {
    /// The `reason` label in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Url(error) => error.reason(),
            Self::Relative => "location-relative",
            Self::Userinfo => "location-userinfo",
        }
    }
}

impl Location {
    /// Validates a URL that was composed of an edge's address and a client's path and query.
    ///
    /// # Errors
    ///
    /// [`LocationError`] if the URL is not safe.
    pub fn parse(url: String) -> Result<Self, LocationError> {
        match Target::parse(url.as_bytes())? {
            Target::Url(parsed) if parsed.has_userinfo => Err(LocationError::Userinfo),
            Target::Url(_) => Ok(Self(url)),
            Target::Asterisk | Target::Path(_) => Err(LocationError::Relative),
        }
    }

    /// Returns whether `target` has the same scheme, host and port.
    pub fn is_same_server(&self, target: Target<'_>) -> bool {
        let (Ok(Target::Url(named)), Target::Url(url)) = (Target::parse(self.0.as_bytes()), target) else {
            return false;
        };
        named.scheme == url.scheme && named.port() == url.port() && named.host.eq_ignore_ascii_case(url.host)
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn path_and_query_are_kept() {
        for url in
            ["rtsp://edge-1.example.com:8554/live/x?token=a%20b", "rtsp://10.0.0.1", "rtsp://[2001:db8::1]:554/x"]
        {
            assert_eq!(Location::parse(url.to_owned()).as_ref().map(Location::as_str), Ok(url));
        }
    }

    #[test]
    fn characters_that_could_end_a_header_are_rejected() {
        let expected = Err(LocationError::Url(TargetError::Unprintable));
        for url in ["rtsp://edge/x\r\nX-Header: y", "rtsp://edge/x\n", "rtsp://edge/x y", "rtsp://edge/\u{fc}"] {
            assert_eq!(Location::parse(url.to_owned()), expected);
        }
    }

    #[test]
    fn only_absolute_urls_without_userinfo_are_accepted() {
        let parse = |url: &str| Location::parse(url.to_owned());
        assert!(parse("rtsps://edge:322/x").is_ok());
        assert_eq!(parse("/x"), Err(LocationError::Relative));
        assert_eq!(parse("*"), Err(LocationError::Relative));
        assert_eq!(parse("rtsp://u:p@edge/x"), Err(LocationError::Userinfo));
        assert_eq!(parse("http://edge/x"), Err(LocationError::Url(TargetError::Scheme)));
    }

    #[test]
    fn reasons_are_distinct() {
        let reasons = [LocationError::Url(TargetError::Relative), LocationError::Relative, LocationError::Userinfo]
            .map(LocationError::reason);
        let distinct: std::collections::HashSet<_> = reasons.iter().collect();
        assert_eq!(distinct.len(), reasons.len());
    }

    proptest! {
        #[test]
        fn a_location_is_one_line_with_one_host(url in "(rtsp://)?[ -~\r\n\u{e4}]{0,40}") {
            if let Ok(location) = Location::parse(url) {
                prop_assert!(location.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                let parsed = Target::parse(location.as_str().as_bytes());
                prop_assert!(matches!(parsed, Ok(Target::Url(url)) if !url.has_userinfo));
            }
        }
    }
}
