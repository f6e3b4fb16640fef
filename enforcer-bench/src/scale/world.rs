//! Clusters by number: pod 17 of a shape is the same in every run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use enforcer_policy::lower;
use enforcer_policy::model::{Change, NamedPort, Namespace, Node, Pod, PodKey};
use enforcer_policy::rule::{Policy, Protocol};
use enforcer_policy::selector::Labels;
use serde_json::{Value, json};

/// How much there is of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Pods.
    pub(super) pods: usize,
    /// Policies.
    pub(super) policies: usize,
    /// Namespaces.
    pub(super) namespaces: usize,
    /// Nodes; every pod is on one.
    pub(super) nodes: usize,
    /// Pods of the first node.
    pub(super) local: usize,
}

impl Size {
    /// As many pods as policies, and ten of each to a namespace.
    pub(super) fn even(pods: usize, local: usize) -> Self {
        Self {
            pods,
            policies: pods,
            namespaces: (pods / 10).max(1),
            nodes: (pods / 30).max(2),
            local,
        }
    }
}

/// The node whose compiler is measured.
pub(super) const HERE: &str = "node-0";

/// The labels and the place of a pod.
#[derive(Clone, Debug)]
pub(super) struct Labelled {
    /// The number of its namespace.
    pub(super) namespace: usize,
    /// Its labels.
    pub(super) labels: Vec<(String, String)>,
}

/// A kind of cluster.
pub(super) struct Shape {
    /// Its name in reports.
    pub(super) name: &'static str,
    /// What is special.
    pub(super) about: &'static str,
    /// The sizes that it is measured at; `None` for those of everybody.
    pub(super) resize: Option<fn(Size) -> Size>,
    /// Every policy says something else about what every other one names, so that all of them on one
    /// node need the square of their number of verdicts. Such a node gets 1,000 of them.
    pub(super) is_square: bool,
    /// The labels of a namespace, besides its name.
    pub(super) namespace: fn(&Size, usize) -> Vec<(String, String)>,
    /// The namespace and labels of a pod.
    pub(super) pod: fn(&Size, usize) -> Labelled,
    /// The namespace and `spec` of a policy.
    pub(super) policy: fn(&Size, usize) -> (usize, Value),
}

/// A policy that the shape got wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShapeError {
    /// Not JSON of a NetworkPolicy.
    #[error("policy {number} of the shape {shape} cannot be read: {source}")]
    Read {
        /// The shape.
        shape: &'static str,
        /// Which policy.
        number: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// Not valid.
    #[error("policy {number} of the shape {shape} is refused: {why}")]
    Refused {
        /// The shape.
        shape: &'static str,
        /// Which policy.
        number: usize,
        /// Why.
        why: String,
    },
}

/// The name of a namespace.
pub(super) fn namespace_name(number: usize) -> String {
    format!("ns-{number}")
}

fn node_name(number: usize) -> String {
    format!("node-{number}")
}

fn low(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Addresses of a pod: every second pod has one of IPv6 too.
fn addresses(number: usize) -> Vec<IpAddr> {
    let v4 = Ipv4Addr::from_bits(0x0a00_0000 + low(number) + 1);
    let v6 = Ipv6Addr::from_bits(0xfd00_0010_0000_0000_0000_0000_0000_0000 + number as u128 + 1);
    let mut addresses = vec![IpAddr::V4(v4)];
    if number.is_multiple_of(2) {
        addresses.push(IpAddr::V6(v6));
    }
    addresses
}

impl Shape {
    /// A pod; the first ones are here.
    pub(super) fn pod(&self, size: &Size, number: usize) -> (PodKey, Pod) {
        let node = if number < size.local {
            HERE.to_owned()
        } else {
            node_name(1 + number % (size.nodes - 1))
        };
        self.pod_at(size, number, &node)
    }

    /// A pod on a node.
    pub(super) fn pod_at(&self, size: &Size, number: usize, node: &str) -> (PodKey, Pod) {
        let labelled = (self.pod)(size, number);
        let key = PodKey {
            namespace: namespace_name(labelled.namespace).into(),
            name: format!("pod-{number}").into(),
        };
        let port = |name: &str, port| NamedPort {
            name: name.into(),
            protocol: Protocol::Tcp,
            port,
        };
        let pod = Pod {
            labels: labelled.labels.into_iter().collect(),
            addresses: addresses(number),
            node: Some(node.into()),
            ports: vec![port("http", 8080), port("metrics", 9090)],
            ..Pod::default()
        };
        (key, pod)
    }

    /// A namespace with more labels than its own.
    pub(super) fn namespace(&self, size: &Size, number: usize, more: &[(&str, &str)]) -> Change {
        let name = namespace_name(number);
        let mut labels: Labels = Namespace::implied(&name).labels;
        for (key, value) in (self.namespace)(size, number) {
            labels.insert(key, value);
        }
        for (key, value) in more {
            labels.insert(*key, *value);
        }
        Change::Namespace(name, Some(Namespace { labels }))
    }

    /// A policy, read and lowered as the product does it.
    pub(super) fn policy(&self, size: &Size, number: usize) -> Result<Arc<Policy>, ShapeError> {
        let (namespace, spec) = (self.policy)(size, number);
        let object = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {
                "namespace": namespace_name(namespace),
                "name": format!("policy-{number}"),
            },
            "spec": spec,
        });
        let object = serde_json::from_value(object).map_err(|source| ShapeError::Read {
            shape: self.name,
            number,
            source,
        })?;
        let policy = lower::network_policy(&object).map_err(|invalid| ShapeError::Refused {
            shape: self.name,
            number,
            why: format!("{invalid:?}"),
        })?;
        Ok(Arc::new(policy))
    }

    /// Everything that there is at the start.
    pub(super) fn cluster(&self, size: &Size) -> Result<Vec<Change>, ShapeError> {
        let mut changes: Vec<Change> = (0..size.nodes).map(node).collect();
        changes.extend((0..size.namespaces).map(|number| self.namespace(size, number, &[])));
        for number in 0..size.policies {
            let policy = self.policy(size, number)?;
            changes.push(Change::Policy(policy.key.clone(), Some(policy)));
        }
        changes.extend((0..size.pods).map(|number| {
            let (key, pod) = self.pod(size, number);
            Change::Pod(key, Some(pod))
        }));
        Ok(changes)
    }
}

fn node(number: usize) -> Change {
    let address = Ipv4Addr::from_bits(0xac10_0000 + low(number) + 1);
    let node = Node {
        addresses: vec![address.into()],
        internal: vec![address.into()],
    };
    Change::Node(node_name(number), Some(node))
}
