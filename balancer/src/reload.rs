//! What is read again while the balancer runs: on SIGHUP, and a certificate whenever it is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tracing::{error, info};
use weir_balancer::config::keys;
use weir_balancer::geoip::CurrentZones;
use weir_balancer::intake::Request;
use weir_balancer::tls::Certificate;

/// How often it is looked whether a certificate was written, as programs do that renew certificates. They do so weeks
/// before it expires: a minute sooner or later is nothing.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(60);

/// What is read again.
pub(crate) struct Renewed {
    pub(crate) key_file: PathBuf,
    /// Takes the keys.
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) zones: CurrentZones,
    pub(crate) certificate: Option<Certificate>,
}

impl Renewed {
    /// Reads again whenever it is time to.
    pub(crate) async fn run(self, mut asked: Signal) {
        let Self { key_file, requests, zones, certificate } = self;
        let zones = Arc::new(zones);
        let mut interval = tokio::time::interval(CERTIFICATE_INTERVAL);
        loop {
            let is_asked = tokio::select! {
                asked = asked.recv() => asked.is_some(),
                _ = interval.tick() => false,
            };
            if is_asked {
                exchange_keys(&key_file, &requests).await;
                renew_zones(&zones).await;
            }
            if let Some(certificate) = certificate.as_ref().filter(|certificate| is_asked || certificate.has_changed())
            {
                renew_certificate(certificate);
            }
        }
    }
}

/// Reads the key file again. A file that is wrong changes nothing.
async fn exchange_keys(file: &Path, requests: &mpsc::Sender<Request>) {
    let file = file.to_owned();
    // A passphrase takes its time on purpose, and reports must not wait for it.
    match tokio::task::spawn_blocking(move || keys::read_ring(&file)).await {
        // Without an intake the balancer is stopping.
        Ok(Ok(ring)) => drop(requests.send(Request::SetKeys(ring)).await),
        Ok(Err(error)) => error!(%error, "the keys stay as they were"),
        Err(error) => error!(%error, "the keys cannot be read"),
    }
}

/// Reads the database of countries again. A file that is wrong changes nothing.
async fn renew_zones(zones: &Arc<CurrentZones>) {
    let zones = Arc::clone(zones);
    // A large database takes its time, and reports must not wait for it.
    match tokio::task::spawn_blocking(move || zones.renew()).await {
        Ok(Ok(Some(ranges))) => info!(ranges, "countries read again"),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => error!(%error, "the countries stay as they were"),
        Err(error) => error!(%error, "the countries cannot be read"),
    }
}

/// Reads the certificate again. Files that are wrong change nothing.
fn renew_certificate(certificate: &Certificate) {
    match certificate.renew() {
        Ok(()) => info!("certificate read again"),
        Err(error) => error!(%error, "the certificate stays as it was"),
    }
}
