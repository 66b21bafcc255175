//! The edge or overflow target that a client is assigned.

use std::sync::Arc;

use weir_fleet::{Edge, Protocol, Reason};

use crate::redirect::{RequestedUrl, Target};
use crate::settings::{Application, OverflowTarget};

/// The outcome of a selection that found a destination for a client.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) destination: Destination,
    pub(crate) reason: Reason,
}

#[derive(Debug)]
pub(crate) enum Destination {
    Edge(Arc<Edge>),
    Overflow(Arc<OverflowTarget>),
}

impl Assignment {
    /// The host alone, for clients that already have the rest of the URL.
    pub(crate) fn host(&self) -> &str {
        match &self.destination {
            Destination::Edge(edge) => edge.redirect(),
            Destination::Overflow(overflow) => &overflow.host,
        }
    }

    /// The edge, unless the destination is an overflow target.
    pub(crate) fn edge(&self) -> Option<&Arc<Edge>> {
        match &self.destination {
            Destination::Edge(edge) => Some(edge),
            Destination::Overflow(_) => None,
        }
    }

    /// The start of the URL that a client of `protocol` is redirected to.
    pub(crate) fn target<'a>(
        &'a self,
        protocol: Protocol,
        requested: RequestedUrl<'a>,
        application: &Application,
    ) -> Target<'a> {
        match &self.destination {
            Destination::Edge(edge) => Target::new(edge, protocol, requested, application),
            Destination::Overflow(overflow) => Target::from(&**overflow),
        }
    }

    /// The destination to which the bytes of a client of `protocol` are relayed.
    pub(crate) fn relay_target<'a>(
        &'a self,
        protocol: Protocol,
        requested: RequestedUrl<'a>,
        application: &Application,
    ) -> Target<'a> {
        match &self.destination {
            Destination::Edge(edge) => Target::for_relay(edge, protocol, requested, application),
            Destination::Overflow(overflow) => Target::from(&**overflow),
        }
    }
}
