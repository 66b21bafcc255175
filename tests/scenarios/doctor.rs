//! The doctor finds the problems of a director, and none if there are none.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::wait::{self, PATIENCE};

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    let responder = &site.servers[0];
    let configuration = format!(
        "[[kernel.service]]\nname = \"media\"\naddresses = [\"{}\"]\ntcp = [\"{RTSP}\"]\nmark = 7\n\
         [[kernel.service.server]]\naddress = \"{}\"\n",
        VIRTUAL[0], responder.addresses[0]
    );
    assert_eq!(doctor(director, &configuration), (Some(0), "no problems found\n".to_owned()));

    // Checks through the virtual address, without the sysctls that they need.
    let vip_checks =
        format!("[kernel]\nset_sysctls = false\n{configuration}[kernel.service.check]\nthrough_address = true\n");
    let (code, output) = doctor(director, &vip_checks);
    assert!(code == Some(1) && output.contains("net.ipv4.conf.eth0.accept_local=1"), "{output}");
    director.set_sysctl("net/ipv4/conf/eth0/accept_local", "1");
    assert_eq!(doctor(director, &vip_checks), (Some(0), "no problems found\n".to_owned()));

    // A server answers ARP requests for the virtual address, the packet filter drops, and ldirectord is still running.
    responder.host.set_sysctl("net/ipv4/conf/all/arp_ignore", "0");
    responder.host.set_sysctl("net/ipv4/conf/eth0/arp_ignore", "0");
    for address in [VIRTUAL[0], responder.addresses[0]] {
        director.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.send_to(b"?", SocketAddr::new(address, RTSP)).expect("a datagram is sent");
        });
    }
    wait::until("the director's ARP cache has the addresses", PATIENCE, || {
        let neighbours = director.proc_net("arp");
        [VIRTUAL[0], responder.addresses[0]].iter().all(|address| {
            neighbours.lines().any(|line| line.starts_with(&format!("{address} ")) && line.contains("0x2"))
        })
    });
    director.call("nft add table inet theirs");
    let rules = director.write(
        "theirs.nft",
        "table inet theirs {\n  chain input {\n    type filter hook input priority 0; policy drop;\n  }\n  \
         chain marks {\n    type filter hook prerouting priority mangle;\n    tcp dport 554 meta mark set 80\n  }\n}\n",
    );
    director.call(&format!("nft --file {}", rules.display()));
    director.call("ipvsadm --add-service --fwmark-service 7 --scheduler rr");
    let (code, output) = doctor(director, &configuration);
    assert_eq!(code, Some(1), "{output}");
    for part in [
        "answers ARP requests for 192.0.2.10",
        "chain theirs input has policy drop",
        "with mark 7 exists already",
        "chain theirs marks also sets marks",
    ] {
        assert!(output.contains(part), "{part}:\n{output}");
    }
    format!("{} problems, each with a remedy", output.matches('→').count())
}

/// Runs the doctor, and returns its exit code and output.
fn doctor(host: &Host, configuration: &str) -> (Option<i32>, String) {
    let file = host.write("weir.toml", configuration);
    let output = host.run(|| {
        let mut command = Command::new("weir-balancer");
        command.args(["doctor", "--config"]).arg(&file).output().expect("the doctor runs")
    });
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}
