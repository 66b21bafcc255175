//! `[tls]`: the certificate that clients are shown.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::certificate::Files;

/// The certificate that clients are shown. With one, every listener takes HTTPS, RTMPS and RTSPS as well as their plain
/// forms: the first bytes of a connection tell.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// `certificate_file`: the chain in PEM, the balancer's own certificate first, such as `"/etc/weir/fullchain.pem"`;
    /// and `key_file`: its private key in PEM. Both are read at the start, on SIGHUP, and when they change. Default:
    /// none, and TLS is refused.
    pub files: Option<Files>,
}

/// As it is written.
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
            return Err(D::Error::custom("a certificate needs a file, and its key one"));
        }
        Ok(Self { files: Some(Files { certificate, key }) })
    }
}
