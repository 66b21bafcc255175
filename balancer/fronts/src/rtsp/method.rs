//! The methods of requests.

/// A method of RFC 2326 section 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `OPTIONS`: requests the list of methods.
    Options,
    /// `DESCRIBE`: starts playing. The only method at which every player follows a redirect.
    Describe,
    /// `ANNOUNCE`: starts publishing.
    Announce,
    /// `SETUP`: requests a transport for one track.
    Setup,
    /// `PLAY`.
    Play,
    /// `PAUSE`.
    Pause,
    /// `RECORD`: the publisher's media follow.
    Record,
    /// `REDIRECT`: may be sent by servers only.
    Redirect,
    /// `TEARDOWN`: ends a session.
    Teardown,
    /// `GET_PARAMETER`: a keep-alive if it has no body.
    GetParameter,
    /// `SET_PARAMETER`.
    SetParameter,
    /// Any other token.
    Unknown,
}

impl Method {
    /// Returns the method with the name `token`. Names are case-sensitive (RFC 2326 section 6.1).
    pub fn from_token(token: &[u8]) -> Self {
        match token {
            b"OPTIONS" => Self::Options,
            b"DESCRIBE" => Self::Describe,
            b"ANNOUNCE" => Self::Announce,
            b"SETUP" => Self::Setup,
            b"PLAY" => Self::Play,
            b"PAUSE" => Self::Pause,
            b"RECORD" => Self::Record,
            b"REDIRECT" => Self::Redirect,
            b"TEARDOWN" => Self::Teardown,
            b"GET_PARAMETER" => Self::GetParameter,
            b"SET_PARAMETER" => Self::SetParameter,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::from_token(b"DESCRIBE"), Method::Describe);
        assert_eq!(Method::from_token(b"describe"), Method::Unknown);
        assert_eq!(Method::from_token(b""), Method::Unknown);
    }
}
