//! The addresses of a balancer, as commands take them.

use clap::Args;
use weir_balancer::Config;
use weir_fronts::settings::Listener;
use weir_program::config::ListenAddress;

#[derive(Args, Debug)]
pub(super) struct Addresses {
    /// Where clients come in, over TCP; may be repeated. `*:PORT` is every address of this machine.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Vec<ListenAddress>,
    /// Where edges report to, over UDP.
    #[arg(long, value_name = "HOST:PORT")]
    reports: Option<ListenAddress>,
    /// Where health and metrics are, over TCP.
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<ListenAddress>,
}

impl Addresses {
    /// Writes what was given into `config`.
    pub(super) fn apply(self, config: &mut Config) {
        if !self.listen.is_empty() {
            config.listeners = self.listen.into_iter().map(Listener::at).collect();
        }
        config.reports.address = self.reports.unwrap_or(config.reports.address);
        config.admin.address = self.admin.unwrap_or(config.admin.address);
    }
}
