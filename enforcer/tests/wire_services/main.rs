//! Services and the traffic of nodes as real packets, with the rules of kube-proxy in both of its
//! modes, on links and bridges. Needs root, nftables, iptables and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
#[path = "../common/proxied.rs"]
mod proxied;

mod backends;
mod egress;
mod hairpin;
mod node_ports;
mod node_traffic;
mod revoked;
mod streams;
mod undecided;
mod world;
