//! Policies: how edges are compared, and how one of a pool is taken. Each is one item, which choosing and ranking both use.

/// By what the edge for a client is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The lowest share of what the edge can carry: sessions, bandwidth, CPU and what else it reports.
    #[default]
    LeastUtilised,
    /// The fewest sessions for its weight.
    LeastConnections,
    /// The fewest outgoing bits per second for its weight.
    LeastBandwidth,
    /// One after the other, each as often as its weight says.
    RoundRobin,
    /// Any, as often as its capacity says.
    Random,
    /// The same for the same stream, or for the same client when no stream is named.
    Hash,
    /// As the Wowza Load Balancer AddOn: the fewest connections, with the assignments since its last report added.
    Wowza,
}

/// By what edges are compared; the least comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// The expected utilisation.
    Utilisation,
    /// The expected sessions, for the weight.
    SessionsPerWeight,
    /// The expected outgoing bits per second, for the weight.
    BitsPerWeight,
    /// The sessions that were reported, and the assignments since.
    ReportedSessions,
    /// The place in the order of edges that a stream has, or a client whose stream is not known.
    StreamOrder,
}

/// How an edge of a pool is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draw {
    /// Some are drawn, and the one of the least cost is taken; of equals any.
    Sample,
    /// The one of the least cost of all; of equals the first by GUID.
    First,
    /// The next one that has its turn.
    Turn,
    /// Any.
    Any,
}

/// What makes edges more likely to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Their capacity and their weight.
    Capacity,
    /// Their weight alone.
    Weight,
}

struct Definition {
    name: &'static str,
    cost: Cost,
    draw: Draw,
    share: Share,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 7] = [
        Self::LeastUtilised,
        Self::LeastConnections,
        Self::LeastBandwidth,
        Self::RoundRobin,
        Self::Random,
        Self::Hash,
        Self::Wowza,
    ];

    const fn definition(self) -> Definition {
        const fn define(name: &'static str, cost: Cost, draw: Draw, share: Share) -> Definition {
            Definition { name, cost, draw, share }
        }

        // Those that go by turns or at random compare edges by their utilisation where some must come first, as in a list of
        // alternatives.
        match self {
            Self::LeastUtilised => define("least-utilised", Cost::Utilisation, Draw::Sample, Share::Capacity),
            Self::LeastConnections => define("least-connections", Cost::SessionsPerWeight, Draw::Sample, Share::Weight),
            Self::LeastBandwidth => define("least-bandwidth", Cost::BitsPerWeight, Draw::Sample, Share::Weight),
            Self::RoundRobin => define("round-robin", Cost::Utilisation, Draw::Turn, Share::Weight),
            Self::Random => define("random", Cost::Utilisation, Draw::Any, Share::Capacity),
            Self::Hash => define("hash", Cost::StreamOrder, Draw::First, Share::Weight),
            Self::Wowza => define("wowza", Cost::ReportedSessions, Draw::First, Share::Weight),
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    pub(crate) fn cost(self) -> Cost {
        self.definition().cost
    }

    pub(crate) fn draw(self) -> Draw {
        self.definition().draw
    }

    pub(crate) fn share(self) -> Share {
        self.definition().share
    }
}
