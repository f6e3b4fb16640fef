//! What users see of a flow.
//!
//! A record is small and its parts are shared: thousands of records of one pair of pods have one
//! [`Context`] and two [`Who`]s. Nothing is text before somebody reads it. `docs/flows.md` describes the
//! JSON form.

mod json;
mod party;
mod protocol;
mod size;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_policy::intern::Name;
use enforcer_policy::model::PodKey;
use enforcer_policy::rule::PolicyKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use party::{Party, Who};
pub use protocol::{Icmp, Protocol, TcpFlags};

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "json::Wire", into = "json::Wire")]
pub struct Record {
    /// Its number: grows with every record of a node, also over restarts of the daemon, and is
    /// given out once. Numbers without gaps belong to one run of the daemon.
    pub sequence: u64,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// Why.
    pub reason: Reason,
    /// Whose policy was asked: that of the pod that is connected to, or of the one that connects.
    pub direction: Direction,
    /// Which way the packet went at the pod's link. It differs from `direction` for answers.
    pub hook: Direction,
    /// The protocol.
    pub protocol: Protocol,
    /// Type and code, for ICMP and `ICMPv6`.
    pub icmp: Option<Icmp>,
    /// The flags of a TCP packet, where they were reported.
    pub flags: Option<TcpFlags>,
    /// Where the packet came from; of a flow that ended, who opened it.
    pub source: Party,
    /// Where it went.
    pub destination: Party,
    /// How many packets this record stands for: more than one where the kernel took alike denials
    /// together.
    pub count: u64,
    /// Length in bytes of the packet, of the last one where there are several.
    pub length: u32,
    /// What went through a flow that ended.
    pub total: Option<Box<Total>>,
    /// Where it was seen and which policies spoke.
    pub context: Arc<Context>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A new flow was allowed.
    Opened,
    /// A packet was dropped.
    Denied,
    /// A packet would have been dropped; the daemon is in audit mode.
    Audited,
    /// An allowed flow ended.
    Closed,
}

/// What became of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was allowed.
    Allowed,
    /// It was dropped.
    Denied,
    /// It would have been dropped; the daemon is in audit mode.
    Audit,
}

/// What went through a flow, both ways together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Nanoseconds from its first packet to its last.
    pub duration: u64,
}

/// Where a packet was seen and which policies spoke: the same for all packets that differ in nothing
/// but a client's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The node that reports, where it has a name.
    pub node: Option<Name>,
    /// The pod at whose link the packet was seen; `None` while that is unknown.
    pub endpoint: Option<PodKey>,
    /// The policies that isolate this pod in this direction, sorted.
    pub policies: Arc<[PolicyKey]>,
    /// The rule that allowed it.
    pub allowed_by: Option<RuleName>,
    /// Of a denial by policy: the allow rule that lacked least.
    pub nearest: Option<Nearest>,
}

/// A rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    /// The policy.
    pub policy: PolicyKey,
    /// Where in the policy it stands, such as `ingress[0]`.
    pub rule: Name,
}

/// The rule that came nearest to allowing something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The rule.
    pub rule: RuleName,
    /// What it lacked, in words.
    pub lacks: Box<[Box<str>]>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            node: None,
            endpoint: None,
            policies: Arc::from([]),
            allowed_by: None,
            nearest: None,
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Opened, Self::Denied, Self::Audited, Self::Closed];

    /// The name in JSON and filters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Denied => "denied",
            Self::Audited => "audited",
            Self::Closed => "closed",
        }
    }

    /// What became of the packets.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Opened | Self::Closed => Verdict::Allowed,
            Self::Denied => Verdict::Denied,
            Self::Audited => Verdict::Audit,
        }
    }
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allowed, Self::Denied, Self::Audit];

    /// The name in JSON and filters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Audit => "audit",
        }
    }
}

impl Record {
    /// What became of the packets.
    pub const fn verdict(&self) -> Verdict {
        self.kind.verdict()
    }

    /// Both sides, the source first.
    pub fn parties(&self) -> [&Party; 2] {
        [&self.source, &self.destination]
    }

    /// Whether it was seen at the link of the pod `namespace/name`.
    pub fn is_at(&self, pod: &str) -> bool {
        self.context
            .endpoint
            .as_ref()
            .is_some_and(|key| party::is_named(&key.namespace, &key.name, pod))
    }

    /// Whether a policy `namespace/name` isolates the pod in this direction.
    pub fn is_isolated_by(&self, policy: &str) -> bool {
        let mut policies = self.context.policies.iter();
        policies.any(|key| match &key.namespace {
            Some(namespace) => party::is_named(namespace, &key.name, policy),
            None => key.name == *policy,
        })
    }
}

/// The name of a direction in JSON and filters.
pub const fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}
