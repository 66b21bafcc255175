//! Policies: how edges are compared, and how one is taken from a pool. Each policy is one entry of a table, for
//! choosing and ranking alike.

/// Defines [`Policy`] from one entry per policy, so that no part of an entry can be forgotten.
macro_rules! policies {
    ($(
        $(#[$attribute:meta])+
        $policy:ident {
            name: $name:literal,
            aliases: $aliases:expr,
            cost: $cost:expr,
            draw: $draw:expr,
            share: $share:expr $(,)?
        }
    )+) => {
        /// A policy by which an edge is chosen for a client.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum Policy {
            $($(#[$attribute])+ $policy,)+
        }

        impl Policy {
            /// Every policy.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$policy),+];

            const fn definition(self) -> Definition {
                match self {
                    $(Self::$policy => {
                        Definition { name: $name, aliases: $aliases, cost: $cost, draw: $draw, share: $share }
                    })+
                }
            }
        }
    };
}

// Policies that take edges in turn or at random compare them by utilisation where an order is needed, as in a list of
// alternatives.
policies! {
    /// The edge of the lowest utilisation: the nearest limit of sessions, bandwidth, CPU and whatever else it reports.
    /// Suits unequal edges.
    #[default]
    LeastUtilised {
        name: "least-utilised",
        aliases: &["least-utilized"],
        cost: Cost::Utilisation,
        draw: Draw::Sample,
        share: Share::Capacity,
    }
    /// The edge with the fewest sessions in proportion to its weight.
    LeastConnections {
        name: "least-connections",
        aliases: &[],
        cost: Cost::SessionsPerWeight,
        draw: Draw::Sample,
        share: Share::Weight,
    }
    /// The edge with the lowest outgoing bandwidth in proportion to its weight.
    LeastBandwidth {
        name: "least-bandwidth",
        aliases: &[],
        cost: Cost::BitsPerWeight,
        draw: Draw::Sample,
        share: Share::Weight,
    }
    /// Each edge in turn, with a frequency proportional to its weight.
    RoundRobin {
        name: "round-robin",
        aliases: &[],
        cost: Cost::Utilisation,
        draw: Draw::Turn,
        share: Share::Weight,
    }
    /// A random edge, with a probability proportional to its capacity.
    Random {
        name: "random",
        aliases: &[],
        cost: Cost::Utilisation,
        draw: Draw::Any,
        share: Share::Capacity,
    }
    /// Always the same edge for a stream, or for a client that requests none.
    Hash {
        name: "hash",
        aliases: &[],
        cost: Cost::StreamOrder,
        draw: Draw::First,
        share: Share::Weight,
    }
    /// As the Wowza Load Balancer AddOn: the edge with the fewest connections, plus the assignments since its last
    /// report.
    Wowza {
        name: "wowza",
        aliases: &[],
        cost: Cost::ReportedSessions,
        draw: Draw::First,
        share: Share::Weight,
    }
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

impl Cost {
    /// Returns whether it is computed from the expected load of an edge.
    pub(crate) fn depends_on_expected_load(self) -> bool {
        match self {
            Self::Utilisation | Self::SessionsPerWeight | Self::BitsPerWeight => true,
            Self::ReportedSessions | Self::StreamOrder => false,
        }
    }
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

/// An entry of the table of policies.
struct Definition {
    /// The name in the configuration.
    name: &'static str,
    /// Other spellings of the name that the configuration accepts.
    aliases: &'static [&'static str],
    cost: Cost,
    draw: Draw,
    share: Share,
}

impl Policy {
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
    fn names_are_those_that_configurations_use() {
        let names = "least-utilised least-connections least-bandwidth round-robin random hash wowza";
        assert_eq!(Policy::ALL.map(Policy::name).join(" "), names);
    }

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
