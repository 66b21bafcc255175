//! Names of schedulers, persistence engines and interfaces.

use std::fmt;
use std::str::FromStr;

/// Most bytes of a name: the kernel keeps 16, the last of which is NUL (`IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_IFNAME_MAXLEN`).
pub const LIMIT: usize = 15;

/// A name of 1 to [`LIMIT`] printable ASCII characters without blanks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The scheduler that gives a connection to the server with the fewest for its weight.
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
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let is_good = (1..=LIMIT).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_good { Ok(Self(text.to_owned())) } else { Err(BadName) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that the kernel takes for no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to {LIMIT} characters, letters, digits and signs only")]
pub struct BadName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_short_as_the_kernel_takes_them() {
        assert_eq!("wlc".parse::<Name>().unwrap().as_str(), "wlc");
        assert_eq!("wlc".parse(), Ok(Name::weighted_least_connections()));
        assert!("exactly-fifteen".parse::<Name>().is_ok());
        for bad in ["", "sixteen-letters!", "two words", "w\0c", "größe"] {
            assert_eq!(bad.parse::<Name>(), Err(BadName), "{bad}");
        }
    }
}
