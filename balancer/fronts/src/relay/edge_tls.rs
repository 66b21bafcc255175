//! Whom edges are believed to be that are reached over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why nobody would be believed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or is no PEM.
    #[error("{}: {cause}; expected the certificates of authorities in PEM", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        cause: pem::Error,
    },
    /// The file holds no certificate that can be used.
    #[error("{}: holds no certificate of an authority; expected one or more in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// TLS cannot be set up.
    #[error("tls: {0}")]
    Unusable(#[from] rustls::Error),
}

/// With what edges are connected to over TLS: believing the authorities in this file, or those that browsers believe.
///
/// # Errors
/// [`Error`], which names the file.
pub fn client_config(authorities: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let roots = match authorities {
        Some(file) => read(file)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn read(file: &Path) -> Result<RootCertStore, Error> {
    let unreadable = |cause| Error::File { file: file.to_owned(), cause };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(unreadable)?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 { Err(Error::NoCertificate(file.to_owned())) } else { Ok(roots) }
}
