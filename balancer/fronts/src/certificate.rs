//! The certificate that clients are shown: read from files, and exchanged while the balancer runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a TLS client may choose to speak (RFC 7301); one that offers nothing is told from its first bytes.
const APPLICATION_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A certificate, its key, and the files that they come from.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    published: Arc<ArcSwap<ServerConfig>>,
    /// When the files were last written, when they were read.
    seen: Mutex<[Option<SystemTime>; 2]>,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug)]
pub struct Files {
    /// The chain in PEM, the balancer's own certificate first.
    pub certificate: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
}

/// Why clients cannot be shown a certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read, or is no PEM.
    #[error("{}: {cause}; expected {expected}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What is wrong.
        cause: pem::Error,
    },
    /// There is nothing in it.
    #[error("{}: holds no certificate; expected a chain in PEM, the balancer's own first", .0.display())]
    NoCertificate(PathBuf),
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("{} and {}: {cause}", files.certificate.display(), files.key.display())]
    Unusable {
        /// Which.
        files: Files,
        /// What is wrong.
        cause: rustls::Error,
    },
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error`], which names the file.
    pub fn load(files: Files) -> Result<Self, Error> {
        let seen = Mutex::new(files.modified());
        let published = Arc::new(ArcSwap::from_pointee(files.read()?));
        Ok(Self { files, published, seen })
    }

    /// What connections are accepted with.
    #[must_use]
    pub fn published(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.published)
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// As [`Certificate::load`]; the certificate stays as it was.
    pub fn renew(&self) -> Result<(), Error> {
        // Before they are read: what is written meanwhile shows the next time.
        let modified = self.files.modified();
        self.published.store(Arc::new(self.files.read()?));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = modified;
        Ok(())
    }

    /// Whether the files were written since they were last read with success. They are written one after the other, and
    /// between the two they do not fit; and a file may be out of reach for a while. So what has failed is to be tried
    /// again, or the certificate would expire unnoticed.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != self.files.modified()
    }
}

impl Files {
    fn modified(&self) -> [Option<SystemTime>; 2] {
        let modified = |file: &Path| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        [modified(&self.certificate), modified(&self.key)]
    }

    fn read(&self) -> Result<ServerConfig, Error> {
        let in_file = |file: &Path, expected| {
            let file = file.to_owned();
            move |cause| Error::File { file, expected, cause }
        };
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(in_file(&self.certificate, "a certificate chain in PEM"))?;
        if chain.is_empty() {
            return Err(Error::NoCertificate(self.certificate.clone()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(in_file(&self.key, "a private key in PEM"))?;
        let unusable = |cause| Error::Unusable { files: self.clone(), cause };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        config.alpn_protocols = APPLICATION_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        // Players that come back do without a full handshake.
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        Ok(config)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::time::Duration;

    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    use super::*;

    /// Writes a new certificate and its key.
    fn write(folder: &Path) -> Files {
        write_this(folder, &generate_simple_self_signed(["lb.example.com".to_owned()]).unwrap())
    }

    fn write_this(folder: &Path, CertifiedKey { cert, signing_key }: &CertifiedKey<KeyPair>) -> Files {
        let files = Files { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        fs::write(&files.certificate, cert.pem()).unwrap();
        fs::write(&files.key, signing_key.serialize_pem()).unwrap();
        files
    }

    /// What connections are accepted with to show this certificate.
    pub(crate) fn shown(certificate: &CertifiedKey<KeyPair>) -> Arc<ArcSwap<ServerConfig>> {
        let folder = tempfile::tempdir().unwrap();
        Certificate::load(write_this(folder.path(), certificate)).unwrap().published()
    }

    /// What a client connects with that trusts this certificate.
    pub(crate) fn trusting(certificate: &CertifiedKey<KeyPair>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.cert.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth()
    }

    #[test]
    fn files_that_are_wrong_are_named_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let Files { certificate, key } = write(folder.path());
        let missing = folder.path().join("missing.pem");
        let empty = folder.path().join("empty.pem");
        fs::write(&empty, "").unwrap();
        let other = tempfile::tempdir().unwrap();
        let other = write(other.path());
        for (certificate, key, file, problem) in [
            (&missing, &key, "missing.pem", "expected a certificate chain in PEM"),
            (&empty, &key, "empty.pem", "holds no certificate"),
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
    fn a_certificate_that_is_written_is_shown_once_it_is_read_and_a_damaged_one_changes_nothing() {
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
        assert!(certificate.has_changed(), "it is tried again");
    }
}
