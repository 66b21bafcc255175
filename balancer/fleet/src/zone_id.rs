//! Zones by number.

/// One of the zones that are configured, by its index in [`Zones`](crate::Zones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(u16);

impl ZoneId {
    /// Its place among the zones, from 0: for whoever keeps something for each zone in an array.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) const fn at(index: u16) -> Self {
        Self(index)
    }
}
