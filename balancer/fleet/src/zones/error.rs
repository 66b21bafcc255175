//! Faults in the definitions of zones.

/// The definitions of zones contradict each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Error {
    /// The index of the faulty definition, from 0.
    pub definition: usize,
    /// The location of the fault in the definition.
    pub location: Location,
    /// The fault.
    pub fault: Fault,
}

/// A part of a [`ZoneDefinition`](super::ZoneDefinition): its name, or an item of one of its lists by its index from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The name.
    Name,
    /// A network.
    Network(usize),
    /// A country.
    Country(usize),
    /// A continent.
    Continent(usize),
    /// A zone to spill into.
    Spill(usize),
}

/// A fault in the definition of a zone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There are more zones than [`ZoneId`](crate::ZoneId) can number.
    #[error("more than 65536 zones; remove some")]
    TooMany,
    /// The name is [`ANY`](super::ANY).
    #[error("`*` stands for all zones and cannot be a name; choose another one")]
    NameIsAny,
    /// Two zones have this name.
    #[error("duplicate zone name `{0}`; give each [[zone]] its own name")]
    DuplicateName(String),
    /// Two zones have the same network, country or continent.
    #[error("`{value}` already belongs to zone `{other}`; remove it from one of the two")]
    Shared {
        /// The network, country or continent.
        value: String,
        /// The name of the zone that had it first.
        other: String,
    },
    /// The zone spills into one of this name, which does not exist.
    #[error("unknown zone `{0}`; add a [[zone]] of this name, or remove it from `spill`")]
    UnknownSpill(String),
    /// The zone spills into itself.
    #[error("a zone cannot spill into itself; remove it from `spill`")]
    SpillsIntoItself,
    /// Another zone follows [`ANY`](super::ANY).
    #[error("`*` stands for all other zones; it must come last")]
    AnyBeforeOthers,
}
