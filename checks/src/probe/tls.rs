//! Whether a server's certificate matters.
//!
//! Most checks are to a bare address, for which hardly any certificate is made: there an encrypted connection shows that
//! the server works, whoever it is. Nothing secret is sent. Where the name is known that clients will use, what they
//! would refuse is a failure, such as a certificate that has expired.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// With what servers are connected to.
pub(super) fn client_config(verify: bool) -> Result<&'static Arc<ClientConfig>, Error> {
    static VERIFYING: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    static BELIEVING: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let made = if verify { &VERIFYING } else { &BELIEVING };
    if let Some(config) = made.get() {
        return Ok(config);
    }
    let config = make(verify)?;
    Ok(made.get_or_init(|| Arc::new(config)))
}

fn make(verify: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = if verify {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
    };
    // A session that is resumed shows no certificate: one that has expired since would never be noticed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Believes every certificate, but that the server has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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

    /// Of a server that shows this certificate.
    pub(in crate::probe) fn server_config(own: &rcgen::CertifiedKey<rcgen::KeyPair>) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = own.signing_key.serialize_der().try_into().unwrap();
        builder.with_single_cert(vec![own.cert.der().clone()], key).unwrap()
    }

    /// What kind of handshake a client makes, and whether it reads what the server says afterwards, such as tickets.
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
        let ask = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("m.example").unwrap();
            let mut stream = TlsConnector::from(client).connect(name, stream).await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
        };
        tokio::join!(serve, ask).0
    }

    #[tokio::test]
    async fn each_question_sees_the_certificate_that_the_server_has_by_now() {
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
