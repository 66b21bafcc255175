//! The options for the addresses of a balancer.

use clap::Args;
use weir_balancer::Config;
use weir_fronts::settings::Listener;
use weir_program::config::ListenAddress;

#[derive(Args, Debug)]
pub(super) struct Addresses {
    /// TCP address for clients; may be repeated. `*:PORT` is every address of this machine.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Vec<ListenAddress>,
    /// UDP address for reports of edges.
    #[arg(long, value_name = "HOST:PORT")]
    reports: Option<ListenAddress>,
    /// TCP address for API, metrics and health checks.
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<ListenAddress>,
}

impl Addresses {
    /// Applies the given options to `config`.
    pub(super) fn apply(self, config: &mut Config) {
        if !self.listen.is_empty() {
            config.listeners = self.listen.into_iter().map(Listener::at).collect();
        }
        config.reports.address = self.reports.unwrap_or(config.reports.address);
        config.admin.address = self.admin.unwrap_or(config.admin.address);
    }
}
