//! Certificates for the balancer and for edges, made for one test.

use std::fs;
use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use crate::balancer::folder;

/// A certificate for any address that tests use, signed by itself, and its key; removed on drop.
#[derive(Debug)]
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// A certificate for these hosts and 127.0.0.1.
    #[must_use]
    pub fn new(hosts: &[&str]) -> Self {
        let certificate = Self { folder: folder() };
        certificate.renew(hosts);
        certificate
    }

    /// Writes another one, with another key, over it.
    pub fn renew(&self, hosts: &[&str]) {
        let names: Vec<String> = ["127.0.0.1"].iter().chain(hosts).map(|&host| host.to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("names that are hosts");
        fs::write(self.file(), cert.pem()).expect("write the certificate");
        fs::write(self.key_file(), signing_key.serialize_pem()).expect("write the key");
    }

    /// The certificate in PEM; clients that trust it trust who shows it.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The key in PEM.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The balancer's configuration to show it.
    #[must_use]
    pub fn config(&self) -> String {
        format!("[tls]\ncertificate_file = {:?}\nkey_file = {:?}\n", self.file(), self.key_file())
    }
}
