//! nftables, written as well as it can be: what belongs to a connection passes first, a map finds the
//! pod's chain, and every policy is one rule with a set of its peers.

use std::fmt::{Display, Write as _};
use std::net::IpAddr;

use anyhow::Result;
use enforcer_lab::Lab;

use super::super::cluster::Cluster;
use super::super::traffic::PORTS;
use super::feed;

/// Loads the rules into the node.
pub(super) fn load(lab: &Lab, cluster: &Cluster<'_>) -> Result<()> {
    feed(lab, "nft", "--file FILE", &ruleset(cluster))
}

/// A direction of a pod's policies.
struct Side {
    name: &'static str,
    /// Of a packet: where the pod's address is, and where its peer's.
    pod: &'static str,
    peer: &'static str,
    /// What happens to what is allowed: the server's side is asked after the client's.
    allowed: &'static str,
}

const SIDES: [Side; 2] = [
    Side {
        name: "egress",
        pod: "saddr",
        peer: "daddr",
        allowed: "return",
    },
    Side {
        name: "ingress",
        pod: "daddr",
        peer: "saddr",
        allowed: "accept",
    },
];

fn ruleset(cluster: &Cluster<'_>) -> String {
    let mut text = String::from("table ip policies {\n");
    let (first, last) = (PORTS.start(), PORTS.end());
    let _ = writeln!(
        text,
        "set ports {{ type inet_proto . inet_service; flags interval; elements = {{ tcp . {first}-{last}, udp . {first}-{last} }}; }}"
    );
    for (policy, peers) in cluster.peers().iter().enumerate() {
        let _ = writeln!(
            text,
            "set peers{policy} {{ type ipv4_addr; elements = {{ {} }}; }}",
            list(peers)
        );
    }
    for side in &SIDES {
        chains(&mut text, cluster, side);
    }
    text.push_str("chain forward {\ntype filter hook forward priority filter; policy accept;\n");
    text.push_str("ct state established,related accept\nct state invalid drop\n");
    for side in &SIDES {
        let _ = writeln!(text, "ip {} vmap @{}", side.pod, side.name);
    }
    text.push_str("}\n}\n");
    text
}

/// The chains of the pods in one direction, and the map that finds them.
fn chains(text: &mut String, cluster: &Cluster<'_>, side: &Side) {
    let Side {
        name,
        peer,
        allowed,
        ..
    } = side;
    let mut pods = Vec::new();
    for (number, member) in cluster.members().iter().enumerate() {
        let _ = writeln!(text, "chain {name}{number} {{");
        for policy in 0..cluster.policies {
            let _ = writeln!(
                text,
                "ip {peer} @peers{policy} meta l4proto . th dport @ports {allowed}"
            );
        }
        text.push_str("drop\n}\n");
        pods.push(format!("{member} : jump {name}{number}"));
    }
    let _ = writeln!(text, "chain {name}-neighbours {{ drop; }}");
    for neighbour in cluster.neighbours().concat() {
        pods.push(format!("{neighbour} : jump {name}-neighbours"));
    }
    let _ = writeln!(
        text,
        "map {name} {{ type ipv4_addr : verdict; elements = {{ {} }}; }}",
        pods.join(", ")
    );
}

fn list(addresses: &[IpAddr]) -> impl Display {
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    words.join(", ")
}
