//! Files that are read again while the balancer runs: all of them on SIGHUP, and certificates whenever they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tracing::{error, info};
use weir_fronts::tls::Certificate;
use weir_protocol::KeyRing;

use crate::config::keys;
use crate::geoip::CurrentZones;

/// Time between two checks whether a certificate has changed. Certificates are renewed weeks before they expire, so
/// that a minute does not matter.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(60);

/// The files that are read again.
#[derive(Debug)]
pub struct Reload {
    /// The key file.
    pub key_file: PathBuf,
    /// Takes the reloaded keys.
    pub rings: mpsc::Sender<KeyRing>,
    /// The zones, with the GeoIP database of their countries.
    pub zones: CurrentZones,
    /// The certificate for clients, if TLS is configured.
    pub certificate: Option<Certificate>,
}

impl Reload {
    /// Reloads the files at every `hangup` signal, and the certificate when it has changed. Never returns.
    pub async fn run(self, mut hangup: Signal) {
        let Self { key_file, rings, zones, certificate } = self;
        let zones = Arc::new(zones);
        let mut interval = tokio::time::interval(CERTIFICATE_INTERVAL);
        loop {
            let is_hangup = tokio::select! {
                signal = hangup.recv() => signal.is_some(),
                _ = interval.tick() => false,
            };
            if is_hangup {
                reload_keys(&key_file, &rings).await;
                reload_zones(&zones).await;
            }
            if let Some(certificate) = certificate.as_ref().filter(|certificate| is_hangup || certificate.has_changed())
            {
                reload_certificate(certificate);
            }
        }
    }
}

/// Reads the key file again. A malformed file changes nothing.
async fn reload_keys(file: &Path, rings: &mpsc::Sender<KeyRing>) {
    let file = file.to_owned();
    // Deriving a key from a passphrase is slow on purpose, and must not delay reports.
    match tokio::task::spawn_blocking(move || keys::read_ring(&file)).await {
        // Fails only when the balancer is stopping. The control thread logs the reload.
        Ok(Ok(ring)) => drop(rings.send(ring).await),
        Ok(Err(error)) => error!(%error, "key reload failed; keeping current keys"),
        Err(error) => error!(%error, "key reload failed; keeping current keys"),
    }
}

/// Reads the GeoIP database again. A damaged file changes nothing.
async fn reload_zones(zones: &Arc<CurrentZones>) {
    let zones = Arc::clone(zones);
    // Reading a large database takes a while, and must not delay reports.
    match tokio::task::spawn_blocking(move || zones.reload()).await {
        Ok(Ok(Some(ranges))) => info!(ranges, "GeoIP database reloaded"),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => error!(%error, "GeoIP reload failed; keeping current database"),
        Err(error) => error!(%error, "GeoIP reload failed; keeping current database"),
    }
}

/// Reads the certificate again. Malformed files change nothing.
fn reload_certificate(certificate: &Certificate) {
    match certificate.renew() {
        Ok(()) => info!("certificate reloaded"),
        Err(error) => error!(%error, "certificate reload failed; keeping current certificate"),
    }
}
