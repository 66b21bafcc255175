//! Fixtures for tests. Behind the feature `testing`, for the crates that use this one.

use crate::candidates::Condition;
use crate::desired::{Decided, Standing};
use crate::model::{Destination, Family, Forwarding, Server};
use crate::netlink::ipvs::ListedDestination;
use crate::status::{GroupStatus, ServerStatus, State, Status};
use crate::weights::Weighed;

/// The status of one service with one server, which is 60 % utilised.
#[must_use]
pub fn status() -> Status {
    let address = [10, 0, 0, 1].into();
    let weighed = Some(Weighed { weight: 40, headroom: Some(0.4), is_ramping: false });
    let condition = Some(Condition::Utilised(0.6));
    let decided = Some(Decided { weight: Some(40), base: 100, weighed, condition });
    let mut listed = ListedDestination {
        server: Server::at(address),
        destination: Destination::new(Forwarding::Masquerade, 40),
        active: 3,
        inactive: 2,
        persistent: 1,
        counters: Default::default(),
    };
    listed.counters.bytes_out = 7;
    let checked = [("ok", 5), ("tls", 2)].into();
    let group = GroupStatus {
        name: "media".to_owned(),
        mark: 1,
        scheduler: "wlc".to_owned(),
        quorum: 1,
        standings: [(Family::V4, Standing { up: 1, is_sorry: false })].into(),
        servers: [(address, ServerStatus { decided, listed: Some(listed), checked })].into(),
    };
    Status { state: State::Running, groups: vec![group], ..Status::default() }
}
