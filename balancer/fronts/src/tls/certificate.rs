//! The certificate of the listeners: read from files, and reloaded while the balancer runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::protocols::TABLE;
use crate::settings::tls::Files;

/// A certificate with its key, and the files that they are read from.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    published: Arc<ArcSwap<ServerConfig>>,
    /// Modification times of the files when they were last read.
    modified: Mutex<[Option<SystemTime>; 2]>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or is not valid PEM.
    #[error("{}: {cause}; expected {expected}", file.display())]
    File {
        /// The path.
        file: PathBuf,
        /// The expected contents.
        expected: &'static str,
        /// The cause.
        cause: pem::Error,
    },
    /// The certificate file contains no certificate.
    #[error("{}: contains no certificate; expected a chain in PEM, the balancer's own certificate first", .0.display())]
    NoCertificate(PathBuf),
    /// Certificate and key do not match, or one is of an unsupported type.
    #[error("{} and {}: {cause}", files.certificate.display(), files.key.display())]
    Unusable {
        /// The paths.
        files: Files,
        /// The cause.
        cause: rustls::Error,
    },
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error`], which names the file.
    pub fn load(files: Files) -> Result<Self, Error> {
        let modified = Mutex::new(modified(&files));
        let published = Arc::new(ArcSwap::from_pointee(read(&files)?));
        Ok(Self { files, published, modified })
    }

    /// The configuration for new connections; replaced on reload.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.published)
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As [`Certificate::load`]; the current certificate stays in use.
    pub fn renew(&self) -> Result<(), Error> {
        // Before the files are read, so that a concurrent change is noticed the next time.
        let modified = modified(&self.files);
        self.published.store(Arc::new(read(&self.files)?));
        *self.modified.lock().unwrap_or_else(PoisonError::into_inner) = modified;
        Ok(())
    }

    /// Whether the files have changed since they were last read successfully. The two are written one after the other
    /// and do not match in between, and a file may be unreadable for a while; so a failed reload has to be repeated, or
    /// the certificate would expire unnoticed.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        *self.modified.lock().unwrap_or_else(PoisonError::into_inner) != modified(&self.files)
    }
}

fn modified(files: &Files) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key].map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
}

fn read(files: &Files) -> Result<ServerConfig, Error> {
    let in_file = |file: &Path, expected| {
        let file = file.to_owned();
        move |cause| Error::File { file, expected, cause }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(in_file(&files.certificate, "a certificate chain in PEM"))?;
    if chain.is_empty() {
        return Err(Error::NoCertificate(files.certificate.clone()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(in_file(&files.key, "a private key in PEM"))?;
    let unusable = |cause| Error::Unusable { files: files.clone(), cause };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    // The protocol of a client that negotiates none is detected from its first bytes.
    config.alpn_protocols = TABLE.iter().flat_map(|entry| entry.alpn).map(|name| name.to_vec()).collect();
    // Returning clients resume their session instead of repeating the full handshake.
    config.ticketer = ring::Ticketer::new().map_err(unusable)?;
    Ok(config)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::time::Duration;

    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;

    /// Writes a new certificate with its key.
    fn write(folder: &Path) -> Files {
        write_this(folder, &generate_simple_self_signed(["lb.example.com".to_owned()]).unwrap())
    }

    fn write_this(folder: &Path, CertifiedKey { cert, signing_key }: &CertifiedKey<KeyPair>) -> Files {
        let files = Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs::write(&files.certificate, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
        files
    }

    /// The server configuration with this certificate.
    pub(crate) fn server_config(certificate: &CertifiedKey<KeyPair>) -> Arc<ArcSwap<ServerConfig>> {
        let folder = tempfile::tempdir().unwrap();
        Certificate::load(write_this(folder.path(), certificate)).unwrap().published()
    }

    /// The configuration of a client that trusts this certificate.
    pub(crate) fn client_config(certificate: &CertifiedKey<KeyPair>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.cert.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth()
    }

    #[test]
    fn an_error_names_the_file_and_the_expected_contents() {
        let folder = tempfile::tempdir().unwrap();
        let Files { certificate, key } = write(folder.path());
        let missing = folder.path().join("missing.pem");
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        let other = tempfile::tempdir().unwrap();
        let other = write(other.path());
        for (certificate, key, file, problem) in [
            (&missing, &key, "missing.pem", "expected a certificate chain in PEM"),
            (&empty, &key, "empty.pem", "contains no certificate"),
            (&certificate, &missing, "missing.pem", "expected a private key in PEM"),
            (&certificate, &certificate, "cert.pem", "expected a private key in PEM"),
            (&certificate, &other.key, "cert.pem and ", "KeyMismatch"),
        ] {
            let files = Files { certificate: certificate.clone(), key: key.clone() };
            let message = Certificate::load(files).unwrap_err().to_string();
            assert!(message.contains(file) && message.contains(problem), "{message}");
        }
    }

    #[test]
    fn a_new_certificate_is_used_after_reload_and_a_damaged_one_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::load(write(folder.path())).unwrap();
        let published = certificate.published();
        let first = published.load_full();
        assert!(!certificate.has_changed());

        let files = write(folder.path());
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        fs::File::open(&files.key).unwrap().set_modified(later).unwrap();
        assert!(certificate.has_changed());
        certificate.renew().unwrap();
        let second = published.load_full();
        assert!(!Arc::ptr_eq(&first, &second) && !certificate.has_changed());

        fs::write(&files.certificate, "damaged").unwrap();
        assert!(certificate.renew().is_err());
        assert!(Arc::ptr_eq(&second, &published.load_full()));
        assert!(certificate.has_changed(), "the reload is repeated");
    }
}
