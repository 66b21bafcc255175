//! `[tls]`: the balancer's certificate.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// The balancer's certificate. With one, every listener accepts HTTPS, RTMPS and RTSPS besides their plain forms: the
/// first bytes of a connection decide. Without one, TLS is rejected.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The files that hold the certificate and its key. They are read at startup, on SIGHUP, and when they change.
    ///
    /// Default: none.
    pub files: Option<Files>,
}

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub struct Files {
    /// `certificate_file`: the certificate chain in PEM, the balancer's own certificate first, such as
    /// `"/etc/weir/fullchain.pem"`. Required.
    pub certificate: PathBuf,
    /// `key_file`: the private key in PEM. Required.
    pub key: PathBuf,
}

/// The section as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    certificate_file: PathBuf,
    key_file: PathBuf,
}

impl<'de> Deserialize<'de> for Tls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { certificate_file: certificate, key_file: key } = Written::deserialize(deserializer)?;
        if certificate.as_os_str().is_empty() || key.as_os_str().is_empty() {
            return Err(D::Error::custom("`certificate_file` and `key_file` must not be empty"));
        }
        Ok(Self { files: Some(Files { certificate, key }) })
    }
}
