//! Verification of edges' certificates, for relaying over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why edges' certificates cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or is not valid PEM.
    #[error("{}: {cause}; expected CA certificates in PEM", file.display())]
    File {
        /// The path.
        file: PathBuf,
        /// The cause.
        cause: pem::Error,
    },
    /// The file contains no usable certificate.
    #[error("{}: contains no CA certificate; expected one or more in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// TLS cannot be configured.
    #[error("tls: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Creates the TLS configuration for connections to edges. Trusts the certificate authorities in this file, or by
/// default those of Mozilla's root program.
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
