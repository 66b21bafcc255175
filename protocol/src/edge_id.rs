//! The GUID that identifies an edge.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The identity of an edge: 16 random bytes, generated once and kept in the edge's GUID file.
///
/// Two edges with one GUID, such as those of a cloned installation, would be taken for one. Therefore the GUID never
/// comes from a configuration that is likely to be copied.
///
/// ```
/// use weir_protocol::EdgeId;
///
/// let edge: EdgeId = "0F8FAD5B-D9CB-469F-A165-70867728950E".parse()?;
/// assert_eq!(edge.to_string(), "0f8fad5b-d9cb-469f-a165-70867728950e");
/// # Ok::<(), weir_protocol::edge_id::ParseEdgeIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(pub [u8; EdgeId::LENGTH]);

impl EdgeId {
    /// Length on the wire, in bytes.
    pub const LENGTH: usize = 16;

    /// Makes a new identity from 16 random bytes (a version 4 UUID, RFC 9562 section 5.4).
    #[must_use]
    pub fn from_random(random: [u8; Self::LENGTH]) -> Self {
        Self(uuid::Builder::from_random_bytes(random).into_uuid().into_bytes())
    }
}

/// The text is not a UUID in any of the usual spellings.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a GUID: expected 32 hexadecimal digits such as 0f8fad5b-d9cb-469f-a165-70867728950e")]
#[non_exhaustive]
pub struct ParseEdgeIdError;

impl FromStr for EdgeId {
    type Err = ParseEdgeIdError;

    /// Reads hyphenated, plain and braced spellings, so that a `Server.guid` file of Wowza's can be kept.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text.trim()).map(|uuid| Self(uuid.into_bytes())).map_err(|_| ParseEdgeIdError)
    }
}

impl fmt::Display for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for EdgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_read_and_one_is_written() {
        let id: EdgeId = "0F8FAD5B-d9cb-469f-a165-70867728950e".parse().unwrap();
        assert_eq!(id.to_string(), "0f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!("{0f8fad5b-d9cb-469f-a165-70867728950e}\n".parse(), Ok(id));
        assert_eq!("0f8fad5bd9cb469fa16570867728950e".parse(), Ok(id));
    }

    #[test]
    fn any_other_text_is_rejected() {
        for text in ["", "edge1", "0f8fad5b-d9cb-469f-a165", "0f8fad5b-d9cb-469f-a165-70867728950e0"] {
            assert_eq!(text.parse::<EdgeId>(), Err(ParseEdgeIdError), "{text}");
        }
    }
}
