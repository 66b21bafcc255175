//! Names of schedulers, persistence engines and interfaces.

use std::fmt;
use std::str::FromStr;

/// Maximum length of a name, in bytes: the kernel stores 16, the last of which is NUL (`IP_VS_SCHEDNAME_MAXLEN`,
/// `IP_VS_IFNAME_MAXLEN`).
pub const MAX_NAME_LENGTH: usize = 15;

/// A name of 1 to [`MAX_NAME_LENGTH`] printable ASCII characters without blanks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The weighted least-connection scheduler, which picks the server with the fewest connections for its weight.
    #[must_use]
    pub fn weighted_least_connections() -> Self {
        Self("wlc".to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_valid = (1..=MAX_NAME_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that the kernel does not accept as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {MAX_NAME_LENGTH} printable ASCII characters without blanks")]
pub struct InvalidName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_length_and_characters_that_the_kernel_accepts() {
        assert_eq!("wlc".parse::<Name>().unwrap().as_str(), "wlc");
        assert_eq!("wlc".parse(), Ok(Name::weighted_least_connections()));
        assert!("exactly-fifteen".parse::<Name>().is_ok());
        for invalid in ["", "sixteen-letters!", "two words", "w\0c", "größe"] {
            assert_eq!(invalid.parse::<Name>(), Err(InvalidName), "{invalid}");
        }
    }
}
