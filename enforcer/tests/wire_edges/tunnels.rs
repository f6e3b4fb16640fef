//! A pod lets its own node take packets out of packets, which then seem to come from elsewhere.

use std::net::{IpAddr, Ipv4Addr};

use enforcer::datapath::frame::{self, Ipv4};
use enforcer_lab::{Families, Pod, Shape, Wire};
use serde_json::json;

use crate::common::frames::{IPV4, Link, mark};
use crate::common::{LONG, Node, SHORT, app, deny_all, ingress};

const UDP: u8 = 17;
/// The port of Linux's own VXLAN, which Flannel uses.
const VXLAN: u16 = 8472;

/// A node with a tunnel as overlay networks have it, an isolated pod that may send nothing and one
/// that a third one, which nobody isolates, may reach.
struct World {
    held: Pod,
    reached: Pod,
    friend: Pod,
    node: Node,
}

impl World {
    fn new() -> Self {
        let mut node = Node::new(Shape::Ptp, Families::V4);
        let [held, reached, friend] = ["held", "reached", "friend"].map(|name| node.pod(name));
        for arguments in [
            format!("link add tunnel0 type vxlan id 1 dstport {VXLAN} nolearning"),
            "link set tunnel0 up".to_owned(),
            "address add 10.99.0.1/32 dev tunnel0".to_owned(),
        ] {
            node.lab.node.ip(&arguments).unwrap();
        }
        node.put(&deny_all());
        node.put(&ingress(
            "reached",
            "reached",
            &json!([{"from": [app("friend")]}]),
        ));
        let open = json!({
            "podSelector": {"matchLabels": {"app": "friend"}},
            "policyTypes": ["Egress"], "egress": [{}],
        });
        node.put(&crate::common::policy("friend", &open));
        node.start("");
        Self {
            held,
            reached,
            friend,
            node,
        }
    }

    /// The packet in a packet to the node.
    fn wrapped(&self, from: &Pod, inner: &[u8]) -> Vec<u8> {
        let node = self.node.lab.node_addresses()[0];
        let tunnel = Wire::open(&self.node.lab.node, "tunnel0").unwrap();
        let content = [
            &[8, 0, 0, 0, 0, 0, 1, 0],
            &tunnel.mac[..],
            &[2, 0, 0, 0, 0, 9],
            &IPV4.to_be_bytes(),
            inner,
        ];
        let outer = Ipv4::new(v4(from.v4().unwrap()), v4(node), UDP);
        with_checksum(outer.packet(&frame::udp((50_000, VXLAN), &content.concat())))
    }
}

fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(_) => unreachable!("the lab has IPv4 alone"),
    }
}

/// Routers look at it (RFC 1071).
fn with_checksum(mut packet: Vec<u8>) -> Vec<u8> {
    let sum: u32 = packet[..20]
        .chunks_exact(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn datagram(source: IpAddr, destination: IpAddr, mark: [u8; 8]) -> Vec<u8> {
    let header = Ipv4::new(v4(source), v4(destination), UDP);
    with_checksum(header.packet(&frame::udp((4000, 53), &mark)))
}

#[test]
fn what_the_node_takes_out_of_a_pods_packets_is_judged_as_the_pods() {
    let world = World::new();
    let outside = Wire::open(&world.node.lab.outside, "eth0").unwrap();
    let reached = Link::open(&world.node.lab, &world.reached);
    let far = world.node.lab.outside_addresses()[0];
    let target = world.reached.v4().unwrap();
    let friend = world.friend.v4().unwrap();
    let sees = |wire: &Wire, mark: [u8; 8], patience| {
        let is_it = |frame: &[u8]| frame.windows(8).any(|window| window == mark);
        wire.receive(patience, is_it).unwrap().is_some()
    };
    // The friend may: so the tunnel works, and the same packets of the other pod prove something.
    for (sender, expected) in [(&world.friend, true), (&world.held, false)] {
        let link = Link::open(&world.node.lab, sender);
        let own = sender.v4().unwrap();
        for (source, destination) in [(own, far), (friend, target), (friend, far)] {
            let mark = mark();
            let inner = datagram(source, destination, mark);
            let wire = if destination == far {
                &outside
            } else {
                &reached.wire
            };
            link.send(IPV4, &world.wrapped(sender, &inner));
            let patience = if expected { LONG / 4 } else { SHORT };
            let case = format!("{} {source} → {destination}", sender.name);
            assert_eq!(sees(wire, mark, patience), expected, "{case}");
        }
    }
    let denied = world.node.packets("egress/policy-denied");
    assert!(denied >= 3, "{denied}");
}
