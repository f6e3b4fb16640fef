//! How pods are joined to their node, and which addresses everything has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How pods are joined to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Each pod by a veth and a host route of its own, as the ptp plugin does.
    Ptp,
    /// Like [`Shape::Ptp`] with netkit pairs instead of veths.
    Netkit,
    /// Each pod by a veth and a host route of its own, without any address of the node on the
    /// link: pods have the gateway 169.254.1.1, for which the node answers by proxy ARP, and the
    /// node's link-local IPv6 address. As Calico does.
    Calico,
    /// All pods by one bridge, as Flannel and the bridge plugin do.
    Bridge {
        /// Bridged IP packets pass netfilter too (`bridge-nf-call-iptables`).
        netfilter: bool,
    },
}

/// Which families the node and its pods have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    Dual,
}

impl Families {
    pub(super) fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Dual => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    pub(super) fn keep<const N: usize>(self, addresses: [IpAddr; N]) -> Vec<IpAddr> {
        addresses.into_iter().filter(|one| self.has(*one)).collect()
    }
}

/// The addresses of the world outside, of the networks for benchmarks (RFC 2544, RFC 5180), so
/// that those for documentation are free for what tests are about.
pub(super) const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 2)),
];

/// Lengths of the prefixes that the nodes and the world outside share.
pub(super) const SEGMENT: [u8; 2] = [16, 64];

/// All pods of all nodes; room for four nodes.
pub(super) const PODS: [&str; 2] = ["10.244.0.0/14", "fd00:10:244::/46"];

/// What Calico's pods have for a gateway: nobody has this address, and the node answers for it.
pub(super) const NOBODYS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1));

/// The MAC address of the node's side of every link in Calico's shape, and the link-local address
/// that follows from it.
pub(super) const CALICO: (&str, &str) = ("ee:ee:ee:ee:ee:ee", "fe80::ecee:eeff:feee:eeee");

/// The addresses of one node of several, by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan(pub(super) u8);

impl Plan {
    /// The node's addresses towards other nodes and the world outside.
    pub(super) fn node(self) -> [IpAddr; 2] {
        self.on_segment(0, 1)
    }

    /// The address of a pod that is on the segment itself.
    pub(super) fn direct(self, number: u8) -> [IpAddr; 2] {
        self.on_segment(100, number)
    }

    fn on_segment(self, offset: u8, number: u8) -> [IpAddr; 2] {
        let third = self.0 + offset;
        let v6 = [0x2001, 2, 0, 0, 0, 0, third.into(), number.into()];
        [
            Ipv4Addr::new(198, 18, third, number).into(),
            Ipv6Addr::from(v6).into(),
        ]
    }

    /// The node's addresses towards its pods.
    pub(super) fn gateways(self) -> [IpAddr; 2] {
        self.pod(1)
    }

    /// Addresses of a pod.
    pub(super) fn pod(self, number: u16) -> [IpAddr; 2] {
        let [high, low] = number.to_be_bytes();
        let v6 = [0xfd00, 0x10, self.third(), 0, 0, 0, 0, number];
        [
            Ipv4Addr::new(10, 244 + self.0, high, low).into(),
            Ipv6Addr::from(v6).into(),
        ]
    }

    /// The first addresses of the node's pods, which Flannel gives to its tunnel links.
    pub(super) fn tunnels(self) -> [IpAddr; 2] {
        self.pod(0)
    }

    /// All pods of the node.
    pub(super) fn pods(self) -> [String; 2] {
        let [v4, v6] = self.tunnels();
        [format!("{v4}/16"), format!("{v6}/64")]
    }

    /// An address of a second network of the node.
    pub(super) fn second(self, network: u8, number: u8) -> [IpAddr; 2] {
        let third = self.0 * 16 + network;
        let v6 = [0xfd00, 0x192, 0x168, third.into(), 0, 0, 0, number.into()];
        [
            Ipv4Addr::new(192, 168, third, number).into(),
            Ipv6Addr::from(v6).into(),
        ]
    }

    fn third(self) -> u16 {
        0x244 + u16::from(self.0)
    }

    /// The gateway of this address's family.
    pub(super) fn gateway(self, address: IpAddr) -> IpAddr {
        of_family(self.gateways(), address)
    }

    /// Whether the address is in the bridge's subnet.
    pub(super) fn is_on_bridge(self, address: IpAddr) -> bool {
        match (address, self.gateway(address)) {
            (IpAddr::V4(v4), IpAddr::V4(gateway)) => v4.octets()[..3] == gateway.octets()[..3],
            (IpAddr::V6(v6), IpAddr::V6(gateway)) => v6.octets()[..8] == gateway.octets()[..8],
            _ => false,
        }
    }
}

/// Of an IPv4 and an IPv6 thing the one for this address.
pub(super) fn of_family<T: Copy>([v4, v6]: [T; 2], address: IpAddr) -> T {
    if address.is_ipv4() { v4 } else { v6 }
}

/// An address as a prefix of full length.
pub(super) fn single(address: IpAddr) -> String {
    subnet(address, [32, 128])
}

/// An address with a prefix length by family.
pub(super) fn subnet(address: IpAddr, lengths: [u8; 2]) -> String {
    format!("{address}/{}", of_family(lengths, address))
}
