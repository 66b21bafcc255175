use super::*;

fn parse(text: &str) -> Result<Check, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

fn question(text: &str) -> Question {
    parse(text).unwrap().question
}

#[test]
fn nothing_written_asks_for_a_connection() {
    assert_eq!(parse("").unwrap(), Check::default());
    assert_eq!(Check::default().question.kind(), Kind::Tcp);
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
    let Question::Rtsp { tls: Some(tls), request } = check.question else { panic!("{check:?}") };
    assert_eq!((tls.host.as_deref(), tls.verify), (Some("media.example.com"), false));
    assert_eq!(request.path.as_deref(), Some("/live/camera?token=1"));
    assert_eq!(
        [199, 200, 201, 400, 401, 402].map(|code| request.codes.contain(code)),
        [false, true, false, true, true, false]
    );
    assert_eq!(check.port.map(u16::from), Some(554));
    assert_eq!((check.rise, check.fall, check.through_address, check.source.len()), (1, 5, true, 3));

    assert_eq!(
        question("kind = \"exec\"\ncommand = [\"/usr/lib/check\", \"-H\", \"{address}\"]"),
        Question::Exec(Command {
            program: "/usr/lib/check".to_owned(),
            arguments: vec!["-H".to_owned(), "{address}".to_owned()]
        })
    );
    let exchange = Exchange { send: Some("PING\r\n".to_owned()), receive: Some("PONG".to_owned()) };
    assert_eq!(question("kind = \"udp\"\nsend = \"PING\\r\\n\"\nreceive = \"PONG\""), Question::Udp(exchange));
    assert_eq!(question("kind = \"none\""), Question::Nothing);
}

#[test]
fn a_certificate_is_verified_when_it_is_known_for_which_name() {
    let verifies = |text: &str| match question(text) {
        Question::Http { tls, .. } => tls.unwrap().verify,
        other => panic!("{other:?}"),
    };
    assert!(!verifies("kind = \"http\"\ntls = true"));
    assert!(verifies("kind = \"http\"\ntls = true\nhost = \"media.example.com\""));
    assert!(!verifies("kind = \"http\"\ntls = true\nhost = \"media.example.com\"\nverify = false"));
    assert!(verifies("kind = \"http\"\ntls = true\nverify = true"));
}

#[test]
fn the_fast_interval_is_never_the_slower_one() {
    assert_eq!(parse("interval = \"500ms\"").unwrap().fast_interval, Duration::from_millis(500));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    for (text, message) in [
        (
            "kind = \"icmp\"",
            "unknown variant `icmp`, expected one of `tcp`, `rtsp`, `http`, `rtmp`, `udp`, `exec`, `none`",
        ),
        ("path = \"/\"", "`path` means nothing for a check of kind `tcp`: remove it"),
        ("kind = \"udp\"\ntls = true", "`tls` means nothing for a check of kind `udp`: remove it"),
        ("host = \"a.example\"", "`host` means nothing for a check of kind `tcp`: remove it"),
        ("kind = \"rtmp\"\nsend = \"x\"", "`send` means nothing for a check of kind `rtmp`: remove it"),
        (
            "kind = \"exec\"\ncommand = [\"/bin/true\"]\nthrough_address = true",
            "`through_address` means nothing for a check of kind `exec`: remove it",
        ),
        (
            "kind = \"none\"\nthrough_address = true",
            "`through_address` means nothing for a check of kind `none`: remove it",
        ),
        (
            "kind = \"udp\"\nthrough_address = true",
            "`through_address` needs `receive` for kind `udp`: a server that has lost the address says nothing",
        ),
        ("source = \"192.0.2.11\"", "`source` means nothing without `through_address = true`: remove it, or add that"),
        ("kind = \"http\"\nverify = true", "`verify` means nothing without `tls = true`: remove it, or add that"),
        (
            "kind = \"rtsp\"\nreceive = \"v=0\"",
            "`receive` needs a `path`: without one the server is asked for its options only",
        ),
        ("kind = \"exec\"", "expected `command = [\"/path/of/a/program\", …]`, by its absolute path"),
        (
            "kind = \"exec\"\ncommand = [\"check\"]",
            "expected `command = [\"/path/of/a/program\", …]`, by its absolute path",
        ),
        (
            "kind = \"http\"\npath = \"/a b\"",
            "`/a b` is not a path: expected one from the slash on, percent-encoded, such as \"/live/camera\"",
        ),
        ("kind = \"http\"\nhost = \"a:80\"", "`a:80` is not a host: expected a name or an address, without a port"),
        (
            "kind = \"http\"\ncodes = [\"2xx\"]",
            "`2xx` is no code: expected one from 100 to 599, or a range, such as \"200-399\"",
        ),
        (
            "kind = \"http\"\ncodes = [\"399-200\"]",
            "`399-200` is no code: expected one from 100 to 599, or a range, such as \"200-399\"",
        ),
        ("kind = \"http\"\ncodes = []", "no code would be good: expected one or more, such as [\"200-399\"]"),
        ("send = \"\"", "out of range: expected 1 to 1200 bytes"),
        ("rise = 0", "out of range: expected 1 to 100"),
        ("timeout = \"0s\"", "out of range: expected 10ms to 60s"),
    ] {
        assert_eq!(parse(text).unwrap_err(), message, "{text}");
    }
}
