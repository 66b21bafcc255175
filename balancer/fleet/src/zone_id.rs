//! The number of a zone.

/// The number of a configured zone: its index in [`Zones`](crate::Zones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(u16);

impl ZoneId {
    /// Returns the index of the zone, from 0, for arrays with an entry for each zone.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn at(index: u16) -> Self {
        Self(index)
    }
}
