use super::*;

fn parse(text: &str) -> Result<Check, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

fn parse_probe(text: &str) -> Probe {
    parse(text).unwrap().probe
}

#[test]
fn an_empty_section_checks_for_a_tcp_connection() {
    assert_eq!(parse("").unwrap(), Check::default());
    assert_eq!(Check::default().probe, Probe::Tcp { tls: None, exchange: Exchange::default() });
}

#[test]
fn every_key_can_be_set() {
    let check = parse(
        r#"
        kind = "rtsp"
        port = 554
        tls = true
        verify = false
        path = "/live/camera?token=1"
        host = "media.example.com"
        codes = ["200", "400-401"]
        receive = "m=video"
        interval = "10s"
        fast_interval = "2s"
        timeout = "500ms"
        rise = 1
        fall = 5
        through_address = true
        source = ["192.0.2.11", "192.0.2.12", "2001:db8::1:b"]
        "#,
    )
    .unwrap();
    let Probe::Rtsp { tls: Some(tls), request } = check.probe else { panic!("{check:?}") };
    assert_eq!((tls.host.as_deref(), tls.verify), (Some("media.example.com"), false));
    assert_eq!(request.path.as_deref(), Some("/live/camera?token=1"));
    assert_eq!(
        [199, 200, 201, 400, 401, 402].map(|code| request.codes.contain(code)),
        [false, true, false, true, true, false]
    );
    assert_eq!(check.port.map(u16::from), Some(554));
    assert_eq!((check.rise, check.fall, check.through_address, check.source.len()), (1, 5, true, 3));

    assert_eq!(
        parse_probe("kind = \"exec\"\ncommand = [\"/usr/lib/check\", \"-H\", \"{address}\"]"),
        Probe::Exec(Program {
            path: "/usr/lib/check".to_owned(),
            arguments: vec!["-H".to_owned(), "{address}".to_owned()]
        })
    );
    let exchange = Exchange { send: Some("PING\r\n".to_owned()), receive: Some("PONG".to_owned()) };
    assert_eq!(parse_probe("kind = \"udp\"\nsend = \"PING\\r\\n\"\nreceive = \"PONG\""), Probe::Udp(exchange));
    assert_eq!(parse_probe("kind = \"none\""), Probe::None);
}

#[test]
fn a_certificate_is_verified_by_default_when_there_is_a_host() {
    let verifies = |text: &str| match parse_probe(text) {
        Probe::Http { tls, .. } => tls.unwrap().verify,
        other => panic!("{other:?}"),
    };
    assert!(!verifies("kind = \"http\"\ntls = true"));
    assert!(verifies("kind = \"http\"\ntls = true\nhost = \"media.example.com\""));
    assert!(!verifies("kind = \"http\"\ntls = true\nhost = \"media.example.com\"\nverify = false"));
    assert!(verifies("kind = \"http\"\ntls = true\nverify = true"));
}

#[test]
fn the_fast_interval_is_at_most_the_interval() {
    assert_eq!(parse("interval = \"500ms\"").unwrap().fast_interval, Duration::from_millis(500));
}

#[test]
fn an_unknown_kind_is_rejected_with_the_known_ones() {
    let known = ProbeKind::ALL.map(|kind| format!("`{kind}`")).join(", ");
    assert_eq!(parse("kind = \"icmp\"").unwrap_err(), format!("unknown variant `icmp`, expected one of {known}"));
}

#[test]
fn an_invalid_section_is_rejected_with_a_remedy() {
    for (text, message) in [
        ("path = \"/\"", "`path` is not used by checks of kind `tcp`; remove it"),
        ("kind = \"udp\"\ntls = true", "`tls` is not used by checks of kind `udp`; remove it"),
        ("host = \"a.example\"", "`host` is not used by checks of kind `tcp`; remove it"),
        ("kind = \"rtmp\"\nsend = \"x\"", "`send` is not used by checks of kind `rtmp`; remove it"),
        (
            "kind = \"exec\"\ncommand = [\"/bin/true\"]\nthrough_address = true",
            "`through_address` is not used by checks of kind `exec`; remove it",
        ),
        (
            "kind = \"none\"\nthrough_address = true",
            "`through_address` is not used by checks of kind `none`; remove it",
        ),
        (
            "kind = \"udp\"\nthrough_address = true",
            "`through_address` requires `receive` for kind `udp`; without a response, a lost address cannot be detected",
        ),
        ("source = \"192.0.2.11\"", "`source` requires `through_address = true`; add it, or remove `source`"),
        ("kind = \"http\"\nverify = true", "`verify` requires `tls = true`; add it, or remove `verify`"),
        (
            "kind = \"rtsp\"\nreceive = \"v=0\"",
            "`receive` requires `path`; without a path, only OPTIONS is sent, and its response has no body",
        ),
        ("kind = \"exec\"", "expected `command = [\"/path/to/program\", …]` with an absolute path"),
        (
            "kind = \"exec\"\ncommand = [\"check\"]",
            "expected `command = [\"/path/to/program\", …]` with an absolute path",
        ),
        (
            "kind = \"http\"\npath = \"/a b\"",
            "`/a b` is not a valid path; expected an absolute, percent-encoded path such as \"/live/camera\"",
        ),
        (
            "kind = \"http\"\nhost = \"a:80\"",
            "`a:80` is not a valid host; expected a name or an address, without a port",
        ),
        (
            "kind = \"http\"\ncodes = [\"2xx\"]",
            "`2xx` is not a status code; expected 100 to 599, or a range such as \"200-399\"",
        ),
        (
            "kind = \"http\"\ncodes = [\"399-200\"]",
            "`399-200` is not a status code; expected 100 to 599, or a range such as \"200-399\"",
        ),
        ("kind = \"http\"\ncodes = []", "no status codes; expected one or more, such as [\"200-399\"]"),
        ("send = \"\"", "out of range: expected 1 to 1200 bytes"),
        ("rise = 0", "out of range: expected 1 to 100"),
        ("timeout = \"0s\"", "out of range: expected 10ms to 60s"),
    ] {
        assert_eq!(parse(text).unwrap_err(), message, "{text}");
    }
}
