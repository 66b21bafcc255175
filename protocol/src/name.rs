//! Names that operators give: of zones, tags, utilisations and balancers.

use std::fmt;
use std::str::FromStr;

/// A name of 1 to 64 printable ASCII characters, the space included.
///
/// Names appear in logs, metrics, JSON and HTML. They are checked once, where they come in, so that no reader has to.
///
/// ```
/// use weir_protocol::Name;
///
/// let zone = Name::new("eu-west 1")?;
/// assert_eq!(zone.as_str(), "eu-west 1");
/// assert!(Name::new("eu\nwest").is_err());
/// # Ok::<(), weir_protocol::name::InvalidName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// Maximum length, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, longer than [`Name::MAX_LENGTH`], or contains anything but printable ASCII.
    pub const fn new(text: &'a str) -> Result<Self, InvalidName> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.len() > Self::MAX_LENGTH {
            return Err(InvalidName);
        }
        let mut index = 0;
        while index < bytes.len() {
            if !matches!(bytes[index], b' '..=b'~') {
                return Err(InvalidName);
            }
            index += 1;
        }
        Ok(Self(text))
    }

    /// The name as text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl Name<'static> {
    /// A name that is part of the program.
    ///
    /// # Panics
    /// If `text` is no name. In a constant this is an error of compilation.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        match Self::new(text) {
            Ok(name) => name,
            Err(InvalidName) => panic!("a name has 1 to 64 printable ASCII characters"),
        }
    }
}

impl AsRef<str> for Name<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// A [`Name`] that owns its text, for configuration.
///
/// ```
/// use weir_protocol::{Name, NameBuf};
///
/// let tag: NameBuf = "low-latency".parse()?;
/// assert_eq!(tag.as_name(), Name::new("low-latency")?);
/// # Ok::<(), weir_protocol::name::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameBuf(Box<str>);

impl NameBuf {
    /// The name, borrowed.
    #[must_use]
    pub fn as_name(&self) -> Name<'_> {
        // Checked when it was made.
        Name(&self.0)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Name<'_>> for NameBuf {
    fn from(name: Name<'_>) -> Self {
        Self(name.0.into())
    }
}

impl FromStr for NameBuf {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Name::new(text).map(Self::from)
    }
}

impl AsRef<str> for NameBuf {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The text is no [`Name`].
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 1 to {} printable ASCII characters", Name::MAX_LENGTH)]
#[non_exhaustive]
pub struct InvalidName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_ascii_is_a_name() {
        let longest = "~".repeat(64);
        for text in ["a", " ", "eu-west 1", "<b>&\"'\\", &longest] {
            assert_eq!(Name::new(text).map(Name::as_str), Ok(text));
            assert_eq!(text.parse::<NameBuf>().unwrap().as_name().as_str(), text);
        }
    }

    #[test]
    fn empty_long_control_and_non_ascii_texts_are_no_names() {
        let long = "a".repeat(65);
        for text in ["", "a\nb", "\t", "\x7f", "zürich", &long] {
            assert_eq!(Name::new(text), Err(InvalidName), "{text:?}");
            assert_eq!(text.parse::<NameBuf>(), Err(InvalidName), "{text:?}");
        }
        assert_eq!(InvalidName.to_string(), "expected 1 to 64 printable ASCII characters");
    }
}
