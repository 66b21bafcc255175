//! The doctor finds what is wrong with a director, and nothing when nothing is.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use weir_tests::kernel::host::Host;
use weir_tests::kernel::role::Method;
use weir_tests::kernel::site::{RTSP, Site, VIRTUAL};
use weir_tests::wait::{self, PATIENCE};

pub(crate) fn run() -> String {
    let site = Site::new(Method::Direct, 1, 2);
    let director = &site.directors[0];
    let teller = &site.servers[0];
    let configuration = format!(
        "[[kernel.service]]\nname = \"media\"\naddresses = [\"{}\"]\ntcp = [\"{RTSP}\"]\nmark = 7\n\
         [[kernel.service.server]]\naddress = \"{}\"\n",
        VIRTUAL[0], teller.addresses[0]
    );
    assert_eq!(doctor(director, &configuration), (Some(0), "all is well\n".to_owned()));

    // Checks through the address, of which the balancer is not to see to what they need.
    let through =
        format!("[kernel]\nset_sysctls = false\n{configuration}[kernel.service.check]\nthrough_address = true\n");
    let (code, said) = doctor(director, &through);
    assert!(code == Some(1) && said.contains("net.ipv4.conf.eth0.accept_local=1"), "{said}");
    director.set("net/ipv4/conf/eth0/accept_local", "1");
    assert_eq!(doctor(director, &through), (Some(0), "all is well\n".to_owned()));

    // A server tells everybody of the virtual address, the filter drops, and ldirectord is still there.
    teller.host.set("net/ipv4/conf/all/arp_ignore", "0");
    teller.host.set("net/ipv4/conf/eth0/arp_ignore", "0");
    for address in [VIRTUAL[0], teller.addresses[0]] {
        director.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.send_to(b"?", SocketAddr::new(address, RTSP)).expect("a datagram goes out");
        });
    }
    wait::until("the director knows who has the address", PATIENCE, || {
        let neighbours = director.proc_net("arp");
        [VIRTUAL[0], teller.addresses[0]].iter().all(|address| {
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
    let (code, said) = doctor(director, &configuration);
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "tells others that it has 192.0.2.10",
        "theirs input drops",
        "the mark 7 already",
        "theirs marks gives packets marks",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    format!("{} findings, each with a remedy", said.matches('→').count())
}

/// Its exit code, and what it says.
fn doctor(host: &Host, configuration: &str) -> (Option<i32>, String) {
    let file = host.write("weir.toml", configuration);
    let output = host.run(|| {
        let mut command = Command::new("weir-balancer");
        command.args(["doctor", "--config"]).arg(&file).output().expect("the doctor comes")
    });
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}
