//! Edges that are left out for where they are, each said once: their agents report, so that somebody expects clients there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use tracing::warn;

use crate::candidates::Heard;
use crate::group::Group;

/// Those that there were at the last look, each with the name of its service.
#[derive(Debug, Default)]
pub(super) struct Misplaced(BTreeSet<(String, IpAddr)>);

impl Misplaced {
    /// Says what is new.
    pub(super) fn look<'a>(&mut self, groups: impl Iterator<Item = &'a Group>, heard: &Heard<'_>) {
        let of = |group: &'a Group| heard.misplaced(group).into_iter().map(|address| (group.name.clone(), address));
        let found: BTreeSet<_> = groups.flat_map(of).collect();
        for (service, address) in found.difference(&self.0) {
            warn!(
                "an edge is at {address}, which is no address that a server of `{service}` can have: have its agent name \
                 another as `redirect`"
            );
        }
        self.0 = found;
    }
}
