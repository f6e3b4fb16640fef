//! The three pods of `demo/cluster.yaml`.

use std::net::{Ipv4Addr, SocketAddrV4};

/// One pod: a network namespace with one address and one TCP server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) name: &'static str,
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
    /// Hardware addresses of the veth, host's end first: known ones need no ARP.
    pub(super) macs: [&'static str; 2],
}

pub(super) const WEB: Pod = Pod {
    name: "web",
    address: Ipv4Addr::new(10, 77, 0, 11),
    port: 80,
    macs: ["02:77:00:00:01:11", "02:77:00:00:00:11"],
};
pub(super) const API: Pod = Pod {
    name: "api",
    address: Ipv4Addr::new(10, 77, 0, 12),
    port: 5000,
    macs: ["02:77:00:00:01:12", "02:77:00:00:00:12"],
};
pub(super) const DB: Pod = Pod {
    name: "db",
    address: Ipv4Addr::new(10, 77, 0, 13),
    port: 3306,
    macs: ["02:77:00:00:01:13", "02:77:00:00:00:13"],
};
pub(super) const ALL: [&Pod; 3] = [&WEB, &API, &DB];

impl Pod {
    /// The name of its network namespace, and of the host's end of its veth.
    pub(super) fn netns(&self) -> String {
        format!("enf-demo-{}", self.name)
    }

    /// Where its server listens.
    pub(super) fn server(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port)
    }

    /// Its server as people write it: `db:3306`.
    pub(super) fn service(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifests_tell_the_same_addresses_and_ports() {
        let manifest = include_str!("../../../demo/cluster.yaml");
        for pod in ALL {
            assert!(
                manifest.contains(&format!("role: {}\n", pod.name)),
                "{pod:?}"
            );
            assert!(
                manifest.contains(&format!("ip: {}\n", pod.address)),
                "{pod:?}"
            );
            assert!(
                manifest.contains(&format!("containerPort: {}\n", pod.port)),
                "{pod:?}"
            );
        }
    }

    #[test]
    fn the_names_fit_a_link() {
        for pod in ALL {
            assert!(pod.netns().len() <= 15, "{}", pod.netns());
        }
    }
}
