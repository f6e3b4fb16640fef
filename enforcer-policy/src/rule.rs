//! The narrow waist: every policy API is lowered to these rules, and nothing after knows which.
//!
//! The rules that select a pod in a direction are asked in the order of (tier, priority); among
//! rules of the same tier and priority, deny comes before pass before allow. The first that matches the peer and the port decides;
//! [`RuleAction::Pass`] goes on with the next tier. A connection that no rule decides is allowed.
//! A pod is *isolated* in a direction when any rule selects it there.

use std::fmt;

use enforcer_common::abi::Direction;
use ipnet::IpNet;

use crate::intern::Name;
use crate::model::{Cluster, Pod, PodKey};
use crate::selector::LabelSelector;

/// A policy object, lowered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which object it is.
    pub key: PolicyKey,
    /// Which version of the object it was read from, where the object says so.
    pub version: Option<ObjectVersion>,
    /// Its rules, in the order of the object.
    pub rules: Vec<Rule>,
}

/// Which object of a name it is, and in which version: what the API server gave it. No verdict
/// depends on it; reports about the object do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    /// `metadata.uid`: a deleted object and its namesake differ by it.
    pub uid: Box<str>,
    /// `metadata.generation`, which grows with every change of the spec.
    pub generation: i64,
}

/// The kinds of policy objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
}

/// The name of a policy object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyKey {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<Name>,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Where in the policy it stands.
    pub origin: Origin,
    /// Its tier.
    pub tier: Tier,
    /// Its priority within the tier; the lowest number is asked first.
    pub priority: u32,
    /// The direction of the connections it speaks about, seen from the subject.
    pub direction: Direction,
    /// The pods it applies to.
    pub subject: PodSelector,
    /// The other side.
    pub peers: Peers,
    /// The destination ports.
    pub ports: Ports,
    /// What it does.
    pub action: RuleAction,
}

/// Where in a policy object a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// The `n`th entry of `spec.ingress` or `spec.egress`.
    Entry(u32),
    /// The isolation that comes with selecting a pod: the deny at the end of the tier.
    Isolation,
}

/// Tiers, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Cluster-wide policies of the administrator.
    Admin,
    /// NetworkPolicy.
    NetworkPolicy,
    /// What holds where no NetworkPolicy selects the pod.
    Baseline,
}

/// What a matching rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleAction {
    /// The connection is denied.
    Deny,
    /// The rest of the tier is skipped.
    Pass,
    /// The connection is allowed.
    Allow,
}

/// A choice of pods.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodSelector {
    /// In which namespaces.
    pub namespaces: Namespaces,
    /// Which pods of them.
    pub pods: LabelSelector,
}

impl PodSelector {
    /// Whether its labels and its namespace are those of a pod of this cluster.
    pub fn selects(&self, cluster: &Cluster, key: &PodKey, pod: &Pod) -> bool {
        let namespace = match &self.namespaces {
            Namespaces::Named(name) => *name == key.namespace,
            Namespaces::Matching(selector) => {
                selector.matches(&cluster.namespace_labels(&key.namespace))
            }
        };
        namespace && self.pods.matches(&pod.labels)
    }
}

/// A choice of namespaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespaces {
    /// This one, by name.
    Named(Name),
    /// Those with matching labels.
    Matching(LabelSelector),
}

/// The other side of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peers {
    /// Everybody, inside the cluster and outside.
    Any,
    /// Whom at least one of these means.
    Of(Vec<PeerSelector>),
}

/// One peer expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerSelector {
    /// Pods by labels.
    Pods(PodSelector),
    /// Addresses, those of pods among them.
    Block(IpBlock),
}

/// A CIDR with holes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpBlock {
    /// The CIDR, host bits cleared.
    pub cidr: IpNet,
    /// What is left out, sorted, each inside `cidr`, host bits cleared.
    pub except: Vec<IpNet>,
}

/// Destination ports of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// Everything, protocols without ports included.
    Any,
    /// What at least one of these means.
    Of(Vec<PortMatch>),
}

/// One port expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortMatch {
    /// The protocol.
    pub protocol: Protocol,
    /// Which of its ports.
    pub port: PortSpec,
}

/// Ports of one protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortSpec {
    /// All of them.
    All,
    /// From the first to the last, inclusive.
    Range(u16, u16),
    /// The container ports of this name at the destination pod; matches no other destination.
    Named(Name),
}

/// The protocols of the NetworkPolicy API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The IANA protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }

    /// The protocol of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
