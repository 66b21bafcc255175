//! What is read again while the balancer runs: on SIGHUP, and a certificate whenever it is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tracing::{error, info};
use weir_fronts::certificate::Certificate;
use weir_protocol::KeyRing;

use crate::config::keys;
use crate::geoip::CurrentZones;

/// How often it is looked whether a certificate was written, as programs do that renew certificates. They do so weeks
/// before it expires: a minute sooner or later is nothing.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(60);

/// What is read again.
#[derive(Debug)]
pub struct Reload {
    /// Where the secrets are.
    pub key_file: PathBuf,
    /// Takes the secrets.
    pub rings: mpsc::Sender<KeyRing>,
    /// The zones, and the database that they are from.
    pub zones: CurrentZones,
    /// The certificate that clients are shown, if they are.
    pub certificate: Option<Certificate>,
}

impl Reload {
    /// Reads again whenever it is time to.
    pub async fn run(self, mut asked: Signal) {
        let Self { key_file, rings, zones, certificate } = self;
        let zones = Arc::new(zones);
        let mut interval = tokio::time::interval(CERTIFICATE_INTERVAL);
        loop {
            let is_asked = tokio::select! {
                asked = asked.recv() => asked.is_some(),
                _ = interval.tick() => false,
            };
            if is_asked {
                exchange_keys(&key_file, &rings).await;
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
async fn exchange_keys(file: &Path, rings: &mpsc::Sender<KeyRing>) {
    let file = file.to_owned();
    // A passphrase takes its time on purpose, and reports must not wait for it.
    match tokio::task::spawn_blocking(move || keys::read_ring(&file)).await {
        // Without an intake the balancer is stopping.
        Ok(Ok(ring)) => drop(rings.send(ring).await),
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
