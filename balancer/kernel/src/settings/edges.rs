//! The edges that are real servers of a service.

use serde::{Deserialize, Deserializer};
use weir_fleet::Protocol;
use weir_program::config::values;

/// Whether edges are real servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// No edges.
    #[default]
    None,
    /// The edges that match the filter.
    Of(EdgeFilter),
}

/// Filter for edges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeFilter {
    /// Zone that the edges report. Default: any, or none.
    pub zone: Option<String>,
    /// Protocol that the edges serve, by its [name](Protocol::name). Default: any.
    #[serde(deserialize_with = "protocol")]
    pub protocol: Option<Protocol>,
}

impl<'de> Deserialize<'de> for Edges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Edges;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("true, false, or a table such as { zone = \"eu\", protocol = \"rtsp\" }")
            }

            fn visit_bool<E: serde::de::Error>(self, all: bool) -> Result<Edges, E> {
                Ok(if all { Edges::Of(EdgeFilter::default()) } else { Edges::None })
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Edges, A::Error> {
                EdgeFilter::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Edges::Of)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Protocol>, D::Error> {
    let known = Protocol::ALL.map(|protocol| (protocol.name(), protocol));
    values::named(deserializer, "a protocol", &known).map(Some)
}
