//! The two formats of content steering.

/// The format of a content steering manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Format {
    Hls,
    Dash,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Hls => "application/vnd.apple.steering-list",
            Self::Dash => "application/json",
        }
    }

    /// The query parameter with the pathways of a player.
    pub(super) fn pathway_parameter(self) -> &'static str {
        match self {
            Self::Hls => "_HLS_pathway",
            Self::Dash => "_DASH_pathway",
        }
    }
}
