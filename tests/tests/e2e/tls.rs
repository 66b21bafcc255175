//! With a certificate every port accepts TLS as well, and the certificate can be replaced while the balancer runs.

use std::path::Path;

use weir_tests::agent::AgentBuilder;
use weir_tests::balancer::{Balancer, command, folder};
use weir_tests::certificate::Certificate;
use weir_tests::clients::fetch;
use weir_tests::hostile::stall;
use weir_tests::process;
use weir_tests::wait::{PATIENCE, eventually, until};

/// The beginning of a TLS handshake: the header of a record of 512 bytes (RFC 8446 section 5.1), and its first byte.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01";

/// Returns curl's options to trust this certificate.
fn trusting(certificate: &Certificate) -> [String; 2] {
    ["--cacert".to_owned(), certificate.file().display().to_string()]
}

#[test]
fn https_clients_are_redirected_over_either_version_of_http() {
    let certificate = Certificate::new(&[]);
    let balancer = Balancer::with_config(&certificate.config());
    let agent = AgentBuilder::of(&balancer).start();
    balancer.await_running(1);
    let [option, file] = trusting(&certificate);
    for version in ["--http1.1", "--http2"] {
        let options = [&*option, &*file, version];
        let answer = fetch(&balancer.url("https", "/loadbalancer"), &options);
        assert_eq!((answer.status, answer.body), (200, format!("redirect={}", agent.address)), "{version}");
        // An edge without endpoints is redirected to with the client's scheme and port.
        let answer = fetch(&balancer.url("https", "/redirect/live/a.m3u8?x=y"), &options);
        let expected = format!("https://{}:{}/live/a.m3u8?x=y", agent.address, balancer.clients.port());
        assert_eq!((answer.status, answer.location), (302, expected), "{version}");
    }
    assert_eq!(fetch(&balancer.url("http", "/loadbalancer"), &[]).status, 200, "plain HTTP on the same port");
}

#[test]
fn a_new_certificate_is_loaded_on_sighup_and_a_damaged_one_is_not() {
    let certificate = Certificate::new(&[]);
    let balancer = Balancer::with_config(&certificate.config());
    let old = certificate.file().with_extension("old");
    std::fs::copy(certificate.file(), &old).expect("copy the certificate");
    let is_in_use = |file: &Path| {
        let mut curl = process::command(weir_tests::binaries::installed("curl"));
        curl.args(["--silent", "--max-time", "10", "--noproxy", "*", "--cacert"]).arg(file);
        curl.arg(balancer.url("https", "/loadbalancer"));
        process::run(curl, PATIENCE).status.success()
    };
    assert!(is_in_use(&old));
    certificate.renew(&["lb.example.com"]);
    balancer.process.send_sighup();
    eventually("the new certificate is in use", PATIENCE, || {
        if is_in_use(&certificate.file()) { Ok(()) } else { Err("not yet".to_owned()) }
    });
    assert!(!is_in_use(&old));

    let new = certificate.file().with_extension("new");
    std::fs::copy(certificate.file(), &new).expect("copy the certificate");
    std::fs::write(certificate.file(), "damaged").expect("damage the certificate");
    balancer.process.send_sighup();
    balancer.process.await_output(&balancer.process.stderr, "that the certificate stays", |text| {
        text.contains("certificate reload failed; keeping current certificate").then_some(())
    });
    assert!(is_in_use(&new));
}

#[test]
fn an_incomplete_tls_handshake_times_out() {
    let certificate = Certificate::new(&[]);
    let balancer = Balancer::with_config(&format!("{}[limits]\ndecision_timeout = \"300ms\"", certificate.config()));
    assert!(stall(balancer.clients, HELLO).unwrap().closed);
    let rejected = || balancer.metrics().sum("weir_clients_rejected_total", &[("reason", "tls-handshake")]);
    until("it is counted", PATIENCE, || rejected() == 1.0);
}

#[test]
fn tls_without_a_certificate_is_rejected_and_counted() {
    let balancer = Balancer::start();
    assert!(stall(balancer.clients, HELLO).unwrap().closed);
    let rejected = || balancer.metrics().sum("weir_clients_rejected_total", &[("reason", "tls")]);
    until("it is counted", PATIENCE, || rejected() == 1.0);
}

#[test]
fn a_missing_certificate_file_fails_at_startup() {
    let certificate = Certificate::new(&[]);
    std::fs::remove_file(certificate.key_file()).expect("remove the key");
    let state = folder();
    let file = state.path().join("weir.toml");
    std::fs::write(&file, certificate.config()).expect("write the configuration");
    let mut command = command(&state);
    command.arg("--config").arg(&file);
    let finished = process::run(command, PATIENCE);
    assert_eq!(finished.status.code(), Some(64), "{finished:?}");
    assert!(finished.stderr.contains("key.pem: ") && finished.stderr.contains("a private key in PEM"), "{finished:?}");
}
