//! TLS settings, with and without verification of the server's certificate.
//!
//! Most checks use a bare address, for which certificates are rarely issued. There, an encrypted connection shows that
//! the server works, whatever its identity, and nothing secret is sent. If the host name is known that clients use,
//! then whatever they would reject is a failure, such as an expired certificate.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The configuration for connections that verify certificates or do not. It is built once.
pub(super) fn client_config(verify: bool) -> Result<&'static Arc<ClientConfig>, Error> {
    static VERIFYING: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    static UNVERIFYING: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let cached = if verify { &VERIFYING } else { &UNVERIFYING };
    if let Some(config) = cached.get() {
        return Ok(config);
    }
    let config = build(verify)?;
    Ok(cached.get_or_init(|| Arc::new(config)))
}

fn build(verify: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = if verify {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth()
    };
    // A resumed session shows no certificate, so that an expired one would never be noticed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Accepts every certificate, provided that the server has its private key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::rustls::{HandshakeKind, ServerConfig};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// The configuration of a server with this certificate.
    pub(in crate::probe) fn server_config(own: &rcgen::CertifiedKey<rcgen::KeyPair>) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = own.signing_key.serialize_der().try_into().unwrap();
        builder.with_single_cert(vec![own.cert.der().clone()], key).unwrap()
    }

    /// The kind of a client's handshake. The client reads to the end, so that it gets the server's session tickets.
    async fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> HandshakeKind {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(server).accept(stream).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
            stream.get_ref().1.handshake_kind().unwrap()
        };
        let connect = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("m.example").unwrap();
            let mut stream = TlsConnector::from(client).connect(name, stream).await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
        };
        tokio::join!(serve, connect).0
    }

    #[tokio::test]
    async fn every_probe_sees_the_current_certificate() {
        let own = rcgen::generate_simple_self_signed(["m.example".to_owned()]).unwrap();
        let mut server = server_config(&own);
        server.ticketer = ring::Ticketer::new().unwrap();
        let server = Arc::new(server);
        for _ in 0..2 {
            let client = Arc::clone(client_config(false).unwrap());
            assert_eq!(handshake(client, Arc::clone(&server)).await, HandshakeKind::Full);
        }
    }
}
