//! Fronts and a client for unit tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use weir_fleet::testing::snapshot_on;
use weir_fleet::{FleetSettings, Selector};
use weir_program::clock::Clock;
use weir_program::metrics::Registry;
use weir_protocol::Report;

use crate::client::Client;
use crate::front::Front;
use crate::metrics::Metrics;
use crate::redirect::RedirectDefaults;
use crate::relay::RelaySessions;
use crate::settings::{Application, Http, Limits, OverflowTarget, ServerInfo, Settings};
use crate::shared::{Environment, Shared};
use crate::tls;

pub(crate) const CLIENT: Client = Client {
    address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_000),
    listener_port: 1935,
    is_secure: false,
    redirect_defaults: RedirectDefaults { scheme: None, port: None },
};

/// A front with a fleet of edges that have just sent these reports.
pub(crate) fn front(reports: &[Report<'_>], server_info: ServerInfo) -> Front {
    front_with(reports, server_info, &[])
}

/// A front with these overflow targets.
pub(crate) fn front_with(reports: &[Report<'_>], server_info: ServerInfo, overflow: &[&str]) -> Front {
    Front::new(Arc::new(shared(FleetSettings::default(), reports, server_info, overflow)), 1)
}

/// A front with a changed configuration.
pub(crate) fn front_configured(reports: &[Report<'_>], configure: impl FnOnce(&mut Shared)) -> Front {
    let mut shared = shared(FleetSettings::default(), reports, ServerInfo::Private, &[]);
    configure(&mut shared);
    Front::new(Arc::new(shared), 1)
}

/// A front with these limits.
pub(crate) fn front_within(reports: &[Report<'_>], limits: Limits) -> Front {
    front_configured(reports, |shared| shared.limits = limits)
}

/// A front with one application for all clients and these settings of the fleet.
pub(crate) fn front_for(reports: &[Report<'_>], application: Application, fleet_settings: FleetSettings) -> Front {
    let mut shared = shared(fleet_settings, reports, ServerInfo::Off, &[]);
    shared.applications = vec![application];
    Front::new(Arc::new(shared), 1)
}

fn shared(fleet_settings: FleetSettings, reports: &[Report<'_>], server_info: ServerInfo, overflow: &[&str]) -> Shared {
    let overflow: Vec<OverflowTarget> = overflow.iter().map(|url| url.parse().unwrap()).collect();
    let snapshot = snapshot_on(&fleet_settings, reports);
    let selector = Selector::new(fleet_settings, overflow.iter().map(OverflowTarget::protocol));
    let http = Http { server_info, ..Http::default() };
    let environment = Environment {
        fleet: Arc::new(ArcSwap::from_pointee(snapshot)),
        selector: Arc::new(selector),
        zones: Arc::default(),
        clock: Clock::start(),
        metrics: Metrics::new(&Registry::default()),
        relayed: Arc::new(RelaySessions::new(100)),
        listening: Vec::new(),
        tls: None,
        edge_tls: tls::edge::client_config(None).unwrap(),
    };
    Shared::new(Settings { http, overflow, ..Settings::default() }, environment)
}
