//! What links hosts: a switch.

use super::host::Host;

/// A switch, with a cable to each host that has joined. Any host may have several networks.
#[derive(Debug)]
pub struct Network {
    /// It is a machine of its own, with a bridge.
    switch: Host,
}

impl Network {
    /// A switch that nothing is plugged into.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let switch = Host::new(name);
        switch.call("ip link add switch type bridge mcast_snooping 0");
        switch.call("ip link set switch up");
        Self { switch }
    }

    /// Plugs a host in: its `device`, such as `eth0`, gets these addresses, such as `192.0.2.1/24`.
    pub fn join(&self, host: &Host, device: &str, addresses: &[String]) {
        let (port, at) = (host.name(), host.name());
        self.switch.call(&format!("ip link add {port} type veth peer name {device} netns {at}"));
        self.switch.call(&format!("ip link set {port} master switch up"));
        host.call(&format!("ip link set {device} up"));
        for address in addresses {
            host.call(&format!("ip address add {address} dev {device}"));
        }
    }

    /// Pulls the host's cable out: for all others it is dead, though it lives.
    pub fn cut(&self, host: &Host) {
        self.switch.call(&format!("ip link set {} down", host.name()));
    }

    /// Plugs the host's cable in again.
    pub fn mend(&self, host: &Host) {
        self.switch.call(&format!("ip link set {} up", host.name()));
    }
}
