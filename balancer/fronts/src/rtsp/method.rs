//! What a client may ask for.

/// A method of RFC 2326 section 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `OPTIONS`: which methods are there.
    Options,
    /// `DESCRIBE`: the start of playing, and the one place where every player follows a redirect.
    Describe,
    /// `ANNOUNCE`: the start of publishing.
    Announce,
    /// `SETUP`: a transport for one track.
    Setup,
    /// `PLAY`.
    Play,
    /// `PAUSE`.
    Pause,
    /// `RECORD`: media of a publisher follow.
    Record,
    /// `REDIRECT`: only a server may send it.
    Redirect,
    /// `TEARDOWN`: the end of a session.
    Teardown,
    /// `GET_PARAMETER`: without a body, a ping.
    GetParameter,
    /// `SET_PARAMETER`.
    SetParameter,
    /// Any other token.
    Unknown,
}

impl Method {
    /// The method that `token` names. Methods are case-sensitive (RFC 2326 section 6.1).
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
