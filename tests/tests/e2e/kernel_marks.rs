//! Packet marks of kernel mode in this machine's kernel: what Weir configures over netlink is what `nft` shows, and the
//! marks that packets get.
//!
//! Each test runs itself again in its own network namespace, where it has all privileges.

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use weir_kernel::kernel::{read_marks, transact};
use weir_kernel::model::{Endpoint, Mark, MarkTable, Marks, PortRange, Protocol};
use weir_kernel::netlink::nftables::batch;
use weir_kernel::text::nft;
use weir_program::netlink::{self, Socket};
use weir_tests::binaries;
use weir_tests::process::{command, run};
use weir_tests::wait::PATIENCE;

/// Environment variable that is set inside the namespace.
const INSIDE: &str = "WEIR_TEST_INSIDE_NAMESPACE";

/// Runs `test` in a network namespace. `name` is the name of the calling test without its module.
#[track_caller]
fn in_namespace(name: &str, test: impl FnOnce(&mut Socket)) {
    if std::env::var_os(INSIDE).is_some() {
        return test(&mut Socket::open(netlink::Protocol::Netfilter).expect("a socket"));
    }
    let mut inside = command("unshare");
    inside.args(["--map-root-user", "--net", "--"]).arg(std::env::current_exe().expect("the path of the running test"));
    inside.args(["--exact", "--nocapture", &format!("kernel_marks::{name}")]).env(INSIDE, "1");
    let finished = run(inside, PATIENCE);
    let finished = finished.expect_success();
    assert!(finished.stdout.contains("1 passed"), "{}", finished.stdout);
}

/// Runs `nft` and returns its output; `input` is the file named `-`.
#[track_caller]
fn run_nft(arguments: &[&str], input: &str) -> String {
    let mut nft = Command::new(binaries::installed("nft"));
    nft.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut nft = nft.spawn().expect("nft starts");
    nft.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("nft reads its input");
    let output = nft.wait_with_output().expect("nft ends");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("nft writes text")
}

fn listed() -> String {
    run_nft(&["list", "table", "inet", "weir"], "")
}

fn endpoint(address: &str, protocol: Protocol, first: u16, last: u16) -> Endpoint {
    Endpoint {
        address: address.parse().expect("an address"),
        protocol,
        ports: PortRange::new(first, last).expect("a range"),
    }
}

fn mark(number: u32) -> Mark {
    Mark::new(number).expect("not 0")
}

/// RTSP and MMS of Windows Media, RTSP of another service, and an IPv6 mark that uses both 16-bit halves.
fn some_marks() -> Marks {
    let entries = [
        (endpoint("192.0.2.10", Protocol::Tcp, 554, 554), mark(0x101)),
        (endpoint("192.0.2.10", Protocol::Tcp, 1755, 1755), mark(0x101)),
        (endpoint("192.0.2.10", Protocol::Udp, 554, 554), mark(0x101)),
        (endpoint("192.0.2.10", Protocol::Udp, 1024, 5000), mark(0x101)),
        (endpoint("192.0.2.11", Protocol::Tcp, 554, 554), mark(0x102)),
        (endpoint("192.0.2.11", Protocol::Sctp, 1, 65535), mark(0x102)),
        (endpoint("2001:db8::10", Protocol::Tcp, 554, 554), mark(0xfedc_ba98)),
    ];
    Marks::new(entries).expect("no packet has two marks")
}

#[test]
fn netlink_and_nft_produce_the_same_table() {
    in_namespace("netlink_and_nft_produce_the_same_table", |socket| {
        let marks = some_marks();
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Absent);
        transact(socket, &batch::replace(&marks)).unwrap();
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(marks.clone()));
        let by_netlink = listed();
        assert!(by_netlink.contains("2001:db8::10 . tcp . 554 : 0xfedcba98"), "{by_netlink}");

        transact(socket, &batch::remove()).unwrap();
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Absent);
        run_nft(&["-f", "-"], &nft::replace(&marks));
        assert_eq!(listed(), by_netlink);
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(marks));
    });
}

#[test]
fn entries_can_be_changed_in_place() {
    in_namespace("entries_can_be_changed_in_place", |socket| {
        let marks = some_marks();
        let (deleted, shrunk) =
            (endpoint("192.0.2.11", Protocol::Tcp, 554, 554), endpoint("192.0.2.10", Protocol::Udp, 1024, 5000));
        let removed = [deleted, shrunk];
        let added = [
            (endpoint("192.0.2.10", Protocol::Udp, 1024, 1999), mark(0x101)),
            (endpoint("192.0.2.10", Protocol::Udp, 2000, 6000), mark(0x102)),
            (endpoint("2001:db8::10", Protocol::Udp, 554, 554), mark(0x102)),
        ];
        let kept = marks.iter().filter(|(endpoint, _)| !removed.contains(endpoint));
        let edited = Marks::new(kept.chain(added)).unwrap();
        transact(socket, &batch::replace(&marks)).unwrap();
        transact(socket, &batch::edit(&removed, &added)).unwrap();
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(edited.clone()));

        transact(socket, &batch::replace(&marks)).unwrap();
        run_nft(&["-f", "-"], &nft::edit(&removed, &added));
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(edited.clone()));

        // A refused transaction changes nothing.
        let more = [(endpoint("192.0.2.12", Protocol::Tcp, 1, 1), mark(0x101))];
        let error = transact(socket, &batch::edit(&removed, &more)).unwrap_err();
        assert!(error.is_refusal(Errno::NOENT), "{error}");
        let overlapping = [more[0], (endpoint("192.0.2.10", Protocol::Udp, 5999, 7000), mark(0x102))];
        let error = transact(socket, &batch::edit(&[], &overlapping)).unwrap_err();
        assert!(error.is_refusal(Errno::EXIST), "{error}");
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(edited));
    });
}

#[test]
fn external_changes_are_detected_and_repaired_without_touching_other_tables() {
    in_namespace("external_changes_are_detected_and_repaired_without_touching_other_tables", |socket| {
        let marks = some_marks();
        let other = "table inet other { chain prerouting { type filter hook prerouting priority 0; counter; }; }\n";
        run_nft(&["-f", "-"], other);
        let others = run_nft(&["list", "table", "inet", "other"], "");
        transact(socket, &batch::replace(&marks)).unwrap();
        for (change, is_gone) in [
            ("flush chain inet weir output", false),
            ("add rule inet weir prerouting counter", false),
            ("insert rule inet weir prerouting accept", false),
            ("add chain inet weir more", false),
            ("add map inet weir more { type ipv4_addr : mark; }", false),
            ("add element inet weir marks4 { 192.0.2.10 . icmp . 1 : 1 }", false),
            ("add table inet weir { flags dormant; }", false),
            ("delete chain inet weir output", false),
            ("delete table inet weir", true),
        ] {
            run_nft(&["-f", "-"], &format!("{change}\n"));
            let expected = if is_gone { MarkTable::Absent } else { MarkTable::Modified };
            assert_eq!(read_marks(socket).unwrap(), expected, "{change}");
            transact(socket, &batch::replace(&marks)).unwrap();
            assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(marks.clone()), "{change}");
        }
        transact(socket, &batch::remove()).unwrap();
        transact(socket, &batch::remove()).unwrap();
        assert_eq!(run_nft(&["list", "ruleset"], ""), others);
    });
}

#[test]
fn thousands_of_marks_fit_in_one_transaction() {
    in_namespace("thousands_of_marks_fit_in_one_transaction", |socket| {
        let of = |address: &'static str, ports: std::ops::Range<u16>| {
            ports.map(move |port| (endpoint(address, Protocol::Udp, 2 * port, 2 * port), mark(0x100)))
        };
        let marks = Marks::new(of("192.0.2.10", 1..701).chain(of("2001:db8::10", 1..701))).unwrap();
        transact(socket, &batch::replace(&marks)).unwrap();
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(marks.clone()));
        let all: Vec<_> = marks.iter().map(|(endpoint, _)| endpoint).collect();
        transact(socket, &batch::edit(&all, &[])).unwrap();
        assert_eq!(read_marks(socket).unwrap(), MarkTable::Intact(Marks::default()));
    });
}

#[test]
fn packets_are_marked_by_address_protocol_and_port() {
    in_namespace("packets_are_marked_by_address_protocol_and_port", |socket| {
        let up = Command::new(binaries::installed("ip")).args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(up.success());
        // Counted after Weir's chains. The output mark is cleared, because packets keep it when they come in over
        // loopback.
        run_nft(
            &["-f", "-"],
            "table inet seen {
                counter out {} ; counter in {} ; counter in6 {}
                chain output {
                    type filter hook output priority 0
                    meta mark 0x101 counter name \"out\"
                    meta mark set 0
                }
                chain prerouting {
                    type filter hook prerouting priority 0
                    meta mark 0x101 counter name \"in\"
                    meta mark 0xfedcba98 counter name \"in6\"
                }
            }",
        );
        let marks = Marks::new([
            (endpoint("127.0.0.1", Protocol::Udp, 1024, 5000), mark(0x101)),
            (endpoint("::1", Protocol::Udp, 1024, 5000), mark(0xfedc_ba98)),
        ]);
        transact(socket, &batch::replace(&marks.unwrap())).unwrap();
        let send = |from: &str, to: &str| {
            UdpSocket::bind(from).unwrap().send_to(&[0], to).unwrap();
        };
        // Both ends of the range, a port within it, and the ports just outside.
        for port in [1023, 1024, 3000, 5000, 5001] {
            send("127.0.0.1:0", &format!("127.0.0.1:{port}"));
            send("[::1]:0", &format!("[::1]:{port}"));
        }
        send("127.0.0.1:0", "127.0.0.2:1024");
        let count = |name: &str| {
            let counter = run_nft(&["list", "counter", "inet", "seen", name], "");
            let packets = counter.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
            packets.and_then(|packets| packets.parse::<u64>().ok()).unwrap_or_else(|| panic!("{counter}"))
        };
        assert_eq!((count("out"), count("in"), count("in6")), (3, 3, 3));
    });
}
