//! Fixtures for tests of this crate, and with the feature `testing` for those of its users.

use crate::desired::{FamilyStatus, ServerDecision};
use crate::model::{Destination, Family, Forwarding, Server};
use crate::netlink::ipvs::ListedDestination;
use crate::real_servers::Condition;
use crate::status::{ServerStatus, ServiceStatus, State, Status};
use crate::weights::ServerWeight;

/// The status of one service with one server at 60 % utilisation.
#[must_use]
pub fn status() -> Status {
    let address = [10, 0, 0, 1].into();
    let weighed = Some(ServerWeight { weight: 40, headroom: Some(0.4), is_ramping: false });
    let condition = Some(Condition::Utilised(0.6));
    let decision = Some(ServerDecision { weight: Some(40), base: 100, weighed, condition });
    let mut listed = ListedDestination {
        server: Server::at(address),
        destination: Destination::new(Forwarding::Masquerade, 40),
        active: 3,
        inactive: 2,
        persistent: 1,
        counters: Default::default(),
    };
    listed.counters.bytes_out = 7;
    let check_results = [("ok", 5), ("tls", 2)].into();
    let service = ServiceStatus {
        name: "media".to_owned(),
        mark: 1,
        scheduler: "wlc".to_owned(),
        quorum: 1,
        families: [(Family::V4, FamilyStatus { up: 1, is_sorry_active: false })].into(),
        servers: [(address, ServerStatus { decision, listed: Some(listed), check_results })].into(),
    };
    Status { state: State::Running, services: vec![service], ..Status::default() }
}
