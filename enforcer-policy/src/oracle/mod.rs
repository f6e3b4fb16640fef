//! What do the API docs say? A naive evaluator over the API objects themselves.
//!
//! It answers one question at a time by walking over all objects, without any index, and shares
//! nothing with [`crate::lower`], [`crate::compile`] or [`crate::model`]: where the two disagree,
//! one of them is wrong. It expects objects that the API server would accept; what the API refuses
//! matches nothing here.

mod backends;
mod matching;
mod objects;
mod party;
mod services;
#[cfg(test)]
mod tests;
mod ways;

use std::net::IpAddr;

use enforcer_common::abi::Direction;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;

use party::Party;
pub use services::{BackendAnswer, ServiceAnswer, ServiceQuestion, Target};

/// The objects of a cluster, in any order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Namespaces; those that only pods and policies mention need not be here.
    pub namespaces: Vec<Namespace>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Policies.
    pub policies: Vec<NetworkPolicy>,
    /// Services.
    pub services: Vec<Service>,
    /// Endpoint slices; a service without any has those that the controller would write.
    pub slices: Vec<EndpointSlice>,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// A pod by namespace and name.
    Pod(String, String),
    /// An address: of a pod, then it is that pod; of a node, then it is that node; else outside.
    Address(IpAddr),
}

/// May a new connection be made?
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// Who connects.
    pub from: Side,
    /// To whom.
    pub to: Side,
    /// IANA protocol number: 6 TCP, 17 UDP, 132 SCTP; every other has no ports.
    pub protocol: u8,
    /// Destination port; nothing asks for it when the protocol has none.
    pub port: u16,
}

/// What both ends say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The policies of the pod that connects.
    pub egress: Part,
    /// The policies of the pod that is connected to.
    pub ingress: Part,
}

/// What one end says. Policies are named `NAMESPACE/NAME`, in the order of the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Policies cannot apply to this end: a node, something outside, or an ended pod.
    NotApplicable,
    /// The pod connects to itself.
    OwnPod,
    /// Between a pod and the node it runs on.
    OwnNode,
    /// No policy selects the pod in this direction.
    NotIsolated,
    /// At least one rule allows it.
    Allowed {
        /// The policies that have such a rule.
        by: Vec<String>,
    },
    /// Policies isolate the pod and none of their rules allows it.
    Denied {
        /// The policies that isolate it.
        isolating: Vec<String>,
    },
}

impl Part {
    /// Whether this end lets the connection happen.
    pub fn allowed(&self) -> bool {
        !matches!(self, Self::Denied { .. })
    }
}

impl Answer {
    /// Whether the connection can be made: both ends must let it happen.
    pub fn allowed(&self) -> bool {
        self.egress.allowed() && self.ingress.allowed()
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// There is no pod of this name.
    #[error("there is no pod {0}/{1}")]
    NoSuchPod(String, String),
    /// One end has only IPv4 addresses and the other only IPv6 addresses.
    #[error("the two ends have no address family in common")]
    NoCommonFamily,
    /// There is no service of this name that has the port, or it is of the type `ExternalName`.
    #[error("there is no service {0}/{1} that has the port")]
    NoSuchService(String, String),
    /// The address and the port are no service's.
    #[error("no service has {0} port {1}")]
    NoService(IpAddr, u16),
    /// Only pods ask services.
    #[error("no pod has the address {0}")]
    NotAPod(IpAddr),
}

impl Objects {
    /// Answers a question. Pods with two addresses use the first of the destination's whose family
    /// the source has too; a pod without any address is only its labels.
    pub fn ask(&self, question: &Question) -> Result<Answer, Unanswerable> {
        let (from, to) = party::ends(self, &question.from, &question.to)?;
        Ok(Answer {
            egress: self.part(Direction::Egress, &from, &to, question),
            ingress: self.part(Direction::Ingress, &to, &from, question),
        })
    }

    fn part(
        &self,
        direction: Direction,
        subject: &Party<'_>,
        peer: &Party<'_>,
        question: &Question,
    ) -> Part {
        let Some(pod) = subject.pod() else {
            return Part::NotApplicable;
        };
        if peer.is_pod(pod) {
            return Part::OwnPod;
        }
        if peer.is_node_of(pod) {
            return Part::OwnNode;
        }
        let isolating: Vec<&NetworkPolicy> = self
            .policies
            .iter()
            .filter(|policy| matching::isolates(policy, pod, direction))
            .collect();
        if isolating.is_empty() {
            return Part::NotIsolated;
        }
        let destination = match direction {
            Direction::Ingress => Some(pod),
            Direction::Egress => peer.pod(),
        };
        let port = matching::Port {
            protocol: question.protocol,
            number: question.port,
            destination,
        };
        let allowing: Vec<&NetworkPolicy> = isolating
            .iter()
            .copied()
            .filter(|policy| matching::allows(self, policy, direction, peer, &port))
            .collect();
        if allowing.is_empty() {
            return Part::Denied {
                isolating: names(&isolating),
            };
        }
        Part::Allowed {
            by: names(&allowing),
        }
    }
}

fn names(policies: &[&NetworkPolicy]) -> Vec<String> {
    policies
        .iter()
        .map(|policy| {
            let name = policy.metadata.name.as_deref().unwrap_or_default();
            format!("{}/{name}", objects::namespace_of(&policy.metadata))
        })
        .collect()
}
