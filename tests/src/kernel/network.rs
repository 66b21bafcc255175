//! A switch.

use super::host::Host;

/// A switch with a cable to each host that has joined. A host may join several networks.
#[derive(Debug)]
pub struct Network {
    /// A machine with a bridge.
    switch: Host,
}

impl Network {
    /// Creates a switch without cables.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let switch = Host::new(name);
        switch.call("ip link add switch type bridge mcast_snooping 0");
        switch.call("ip link set switch up");
        Self { switch }
    }

    /// Connects a host. Its `device`, such as `eth0`, gets these addresses, such as `192.0.2.1/24`.
    pub fn join(&self, host: &Host, device: &str, addresses: &[String]) {
        let (port, at) = (host.name(), host.name());
        self.switch.call(&format!("ip link add {port} type veth peer name {device} netns {at}"));
        self.switch.call(&format!("ip link set {port} master switch up"));
        host.call(&format!("ip link set {device} up"));
        for address in addresses {
            host.call(&format!("ip address add {address} dev {device}"));
        }
    }

    /// Unplugs the cable of a host, so that it appears dead to all others.
    pub fn disconnect(&self, host: &Host) {
        self.switch.call(&format!("ip link set {} down", host.name()));
    }

    /// Plugs the cable of a host in again.
    pub fn reconnect(&self, host: &Host) {
        self.switch.call(&format!("ip link set {} up", host.name()));
    }
}
