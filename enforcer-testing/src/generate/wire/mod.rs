//! Random clusters that can be built of network namespaces, and what happens to them.
//!
//! The same pools and policies as for the other levels, but every pod with a link has a place on a
//! node, addresses of its node's subnet, and these to itself.

mod cluster;
mod edit;
mod services;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::IpAddr;

use enforcer_policy::oracle::Objects;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, Reason, RngAlgorithm, TestRng, TestRunner};

use super::pools::{OUTSIDE, PORT_NUMBERS, PORT_RANGES};

pub use cluster::{Layout, is_linked, node_address, objects};
pub use edit::WireEdit;
pub use services::slices;

/// Changes of a story, each made at once.
const STEPS: std::ops::RangeInclusive<usize> = 3..=5;
/// Single changes that are made at once.
const TOGETHER: std::ops::RangeInclusive<usize> = 1..=3;

/// A cluster and what happens to it.
#[derive(Clone, Debug)]
pub struct Story {
    /// What is there at first.
    pub objects: Objects,
    /// What is changed then, one list after the other.
    pub steps: Vec<Vec<WireEdit>>,
}

/// Random stories.
pub fn stories(layout: Layout) -> impl Strategy<Value = Story> {
    let steps = vec(vec(edit::edit(layout), TOGETHER), STEPS);
    (objects(layout), steps).prop_map(|(objects, steps)| Story { objects, steps })
}

/// The value of a strategy that a seed and a number mean, today and tomorrow. The strategies of this
/// module never reject their own values, which would be the error.
pub fn pick<T: Debug>(
    strategy: &impl Strategy<Value = T>,
    seed: u64,
    number: u64,
) -> Result<T, Reason> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    strategy.new_tree(&mut runner).map(|tree| tree.current())
}

/// The ports that policies and pods speak of, and others that bound their ranges or are next to
/// one: each ascending.
pub fn ports() -> (Vec<u16>, Vec<u16>) {
    let numbers = |ports: &mut dyn Iterator<Item = i32>| -> BTreeSet<u16> {
        ports.filter_map(|port| u16::try_from(port).ok()).collect()
    };
    let spoken_of = numbers(&mut PORT_NUMBERS.iter().copied());
    let bounds = PORT_RANGES.iter().flat_map(|(low, high)| [*low, *high]);
    let near = bounds.chain(PORT_NUMBERS.iter().copied());
    let near = numbers(&mut near.flat_map(|port| [port - 1, port, port + 1]));
    let others = near.difference(&spoken_of).copied();
    let others = others.filter(|port| *port != 0).collect();
    (spoken_of.into_iter().collect(), others)
}

/// The addresses outside of which policies speak, without those in the pods' own subnets.
pub fn outside() -> Vec<IpAddr> {
    let all = OUTSIDE
        .iter()
        .filter(|text| !text.starts_with("10.244.") && !text.starts_with("fd00:10:"));
    all.filter_map(|text| text.parse().ok()).collect()
}

/// The addresses of nodes without a daemon and of the pods there.
pub fn remote_addresses(objects: &Objects, nodes: usize) -> Vec<IpAddr> {
    let of_nodes = objects
        .nodes
        .iter()
        .skip(nodes)
        .filter_map(|node| node.status.as_ref());
    let of_nodes = of_nodes
        .flat_map(|status| status.addresses.iter().flatten())
        .map(|entry| entry.address.as_str());
    let pods = objects.pods.iter();
    let of_pods = pods
        .filter(|pod| is_linked(pod, usize::MAX) && !is_linked(pod, nodes))
        .filter_map(|pod| pod.status.as_ref())
        .flat_map(|status| status.pod_ips.iter().flatten())
        .map(|entry| entry.ip.as_str());
    let all = of_nodes.chain(of_pods);
    all.filter_map(|text| text.parse().ok()).collect()
}
