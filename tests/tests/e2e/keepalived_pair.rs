//! keepalived accepts the configurations printed for a pair of directors.

use std::fs;
use std::process::Command;

use weir_tests::binaries::{balancer, installed};

const CONFIGURATION: &str = r#"
[kernel.directors]
sync_interface = "INTERFACE"

[[kernel.service]]
name = "media"
addresses = ["192.0.2.10", "2001:db8::10"]
tcp = ["554"]
edges = true
"#;

#[test]
fn keepalived_accepts_both_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let weir = folder.path().join("weir.toml");
    // keepalived needs an existing interface other than loopback.
    let interfaces =
        fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let interface = interfaces.filter(|name| name != "lo").min().expect("an interface");
    fs::write(&weir, CONFIGURATION.replace("INTERFACE", &interface)).unwrap();
    for (director, priority) in [("first", "priority 150"), ("second", "priority 101")] {
        let mut print = Command::new(balancer());
        print.args(["keepalived-conf", "--director", director, "--config"]).arg(&weir);
        let printed = print.output().unwrap();
        assert!(printed.status.success(), "{printed:?}");
        let text = String::from_utf8(printed.stdout).unwrap();
        assert!(text.contains(priority), "{text}");
        let file = folder.path().join(director);
        fs::write(&file, &text).unwrap();
        let mut test = Command::new(installed("keepalived"));
        test.args(["--config-test", "--log-console", "--no-syslog", "--use-file"]).arg(&file);
        let tested = test.output().expect("keepalived starts");
        assert!(tested.status.success(), "{tested:?}\n{text}");
        // No warnings either.
        assert_eq!(String::from_utf8_lossy(&tested.stderr), "", "{text}");
    }
}
