//! Self-signed certificates for balancers and edges.

use std::fs;
use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use crate::balancer::folder;

/// A self-signed certificate and its key, removed on drop.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// Creates a certificate for `hosts` and 127.0.0.1.
    #[must_use]
    pub fn new(hosts: &[&str]) -> Self {
        let certificate = Self { folder: folder() };
        certificate.renew(hosts);
        certificate
    }

    /// Replaces the files with a new certificate and key.
    pub fn renew(&self, hosts: &[&str]) {
        let names: Vec<String> = ["127.0.0.1"].iter().chain(hosts).map(|&host| host.to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("valid host names");
        fs::write(self.file(), cert.pem()).expect("write the certificate");
        fs::write(self.key_file(), signing_key.serialize_pem()).expect("write the key");
    }

    /// Returns the path of the certificate (PEM), which is its own CA.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Returns the path of the private key (PEM).
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Returns the balancer's `[tls]` section for this certificate.
    #[must_use]
    pub fn config(&self) -> String {
        format!("[tls]\ncertificate_file = {:?}\nkey_file = {:?}\n", self.file(), self.key_file())
    }
}
