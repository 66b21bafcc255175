//! Policies: how edges are compared, and how one is taken from a pool. Each policy is defined once, for choosing and
//! ranking alike.

/// A policy by which an edge is chosen for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The edge of the lowest utilisation: the nearest limit of sessions, bandwidth, CPU and whatever else it reports.
    #[default]
    LeastUtilised,
    /// The edge with the fewest sessions in proportion to its weight.
    LeastConnections,
    /// The edge with the lowest outgoing bandwidth in proportion to its weight.
    LeastBandwidth,
    /// Each edge in turn, with a frequency proportional to its weight.
    RoundRobin,
    /// A random edge, with a probability proportional to its capacity.
    Random,
    /// Always the same edge for a stream, or for a client that requests none.
    Hash,
    /// As the Wowza Load Balancer AddOn: the edge with the fewest connections, plus the assignments since its last
    /// report.
    Wowza,
}

/// The cost by which edges are compared. The lowest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// The expected utilisation.
    Utilisation,
    /// The expected sessions, divided by the weight.
    SessionsPerWeight,
    /// The expected outgoing bits per second, divided by the weight.
    BitsPerWeight,
    /// The reported sessions, and the assignments since.
    ReportedSessions,
    /// The position in the order of edges for the stream, or for the client if no stream is requested.
    StreamOrder,
}

/// How an edge is taken from a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Draw {
    /// Draw some edges and take the one of the lowest cost. Of equals each is equally likely.
    Sample,
    /// Take the edge of the lowest cost of all. Of equals the first by GUID.
    First,
    /// Take the next edge in turn.
    Turn,
    /// Take any edge.
    Any,
}

/// What the probability of being drawn is proportional to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Capacity × weight.
    Capacity,
    /// The weight alone.
    Weight,
}

struct Definition {
    name: &'static str,
    /// Other spellings of the name that the configuration accepts.
    aliases: &'static [&'static str],
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
            Definition { name, aliases: &[], cost, draw, share }
        }

        // Policies that take edges in turn or at random compare them by utilisation where an order is needed, as in a
        // list of alternatives.
        match self {
            Self::LeastUtilised => Definition {
                aliases: &["least-utilized"],
                ..define("least-utilised", Cost::Utilisation, Draw::Sample, Share::Capacity)
            },
            Self::LeastConnections => define("least-connections", Cost::SessionsPerWeight, Draw::Sample, Share::Weight),
            Self::LeastBandwidth => define("least-bandwidth", Cost::BitsPerWeight, Draw::Sample, Share::Weight),
            Self::RoundRobin => define("round-robin", Cost::Utilisation, Draw::Turn, Share::Weight),
            Self::Random => define("random", Cost::Utilisation, Draw::Any, Share::Capacity),
            Self::Hash => define("hash", Cost::StreamOrder, Draw::First, Share::Weight),
            Self::Wowza => define("wowza", Cost::ReportedSessions, Draw::First, Share::Weight),
        }
    }

    /// Returns the name of the policy in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// Returns the policy of this name. Accepts other spellings besides [`Policy::name`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| {
            let Definition { name: own, aliases, .. } = policy.definition();
            own == name || aliases.contains(&name)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_found_by_its_name_and_by_its_american_spelling() {
        for policy in Policy::ALL {
            assert_eq!(Policy::named(policy.name()), Some(policy));
        }
        assert_eq!(Policy::named("least-utilized"), Some(Policy::LeastUtilised));
        assert_eq!(Policy::named("Random"), None);
        assert_eq!(Policy::named(""), None);
    }
}
