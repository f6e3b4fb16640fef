//! What is answered: the JSON of `enforcer trace`.

use std::fmt;
use std::net::IpAddr;

use enforcer_common::Action;
use enforcer_common::abi::Direction;
use enforcer_policy::explain::{self, PeerIdentity, RuleRef};
use enforcer_policy::rule::Origin;
use serde::{Deserialize, Serialize};

/// Whether a connection can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It can.
    Allow,
    /// It cannot.
    Deny,
    /// It depends on the backend to which the service sends it.
    Differs,
}

impl From<Action> for Verdict {
    fn from(action: Action) -> Self {
        match action {
            Action::Pass => Self::Allow,
            Action::Drop => Self::Deny,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Differs => "differs",
        })
    }
}

/// A question and what both ends say to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Who connects, as in the question.
    pub from: String,
    /// To whom, as in the question.
    pub to: String,
    /// `TCP`, `UDP`, `SCTP`, `ICMP` or a number.
    pub protocol: String,
    /// The destination port; null where the protocol has none.
    pub port: Option<u16>,
    /// Deny when one end denies; of a service also when it has no backend, or none that is reached.
    pub verdict: Verdict,
    /// What both ends say.
    #[serde(flatten)]
    pub ends: Ends,
    /// What one should know about the ends: that one has ended, or has no address yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Both ends, or as many ends as a service has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Ends {
    /// Nobody translates the connection.
    Direct {
        /// The end that connects.
        egress: Box<Part>,
        /// The end that is connected to.
        ingress: Box<Part>,
    },
    /// The sender's node translates it, or a name does.
    Service {
        /// Which service it is.
        service: ServiceName,
        /// The reason for which the packet leaves the sender's link, still on its way to the service;
        /// null where nothing stands between the sender and the backends.
        at_sender: Option<&'static str>,
        /// Where it may go: one of these.
        backends: Vec<BackendAnswer>,
        /// What kube-proxy does, when there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        without_backend: Option<&'static str>,
    },
}

/// A port of a service, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceName {
    /// `NAMESPACE/NAME`.
    pub name: String,
    /// The name of the port; null where it has none, or where the service has no port of its own.
    pub port: Option<String>,
    /// `cluster address`, `external address`, `load balancer's address`, `node port`, or `headless`.
    pub reached_by: String,
    /// The address; null for a headless service, and until the service has one.
    pub address: Option<IpAddr>,
    /// For how many seconds a client is sent to the same backend again, if it is.
    pub affinity_seconds: Option<u32>,
    /// The backend sees an address of the sender's node instead of the sender's.
    pub masqueraded: bool,
}

/// What becomes of a connection to a service when it is sent to this backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendAnswer {
    /// Where it really goes.
    pub address: IpAddr,
    /// And to which port.
    pub port: u16,
    /// Deny when one end denies.
    pub verdict: Verdict,
    /// The end that connects.
    pub egress: Part,
    /// The backend.
    pub ingress: Part,
}

/// What one end says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Who it is: `pod NAMESPACE/NAME`, `node NAME` or `outside the cluster`.
    pub who: String,
    /// Whether it lets the connection happen.
    pub verdict: Verdict,
    /// Whether any policy isolates the pod in this direction.
    pub isolated: bool,
    /// The policies that do, `NAMESPACE/NAME`, sorted.
    pub policies: Vec<String>,
    /// The rule that allows it.
    pub allowed_by: Option<RuleName>,
    /// Why: the name of an [`enforcer_common::Reason`], or [`NOT_A_POD`].
    pub reason: &'static str,
    /// For a denial the rule that came nearest.
    pub nearest: Option<Nearest>,
}

/// How a service without addresses is reached.
pub(super) const HEADLESS: &str = "headless";

/// The reason of an end that no policy can apply to: a node, or somebody outside.
pub const NOT_A_POD: &str = "not-a-pod";

impl Part {
    /// What an end says that is no pod.
    pub fn not_a_pod(who: &PeerIdentity) -> Self {
        Self {
            who: who.to_string(),
            verdict: Verdict::Allow,
            isolated: false,
            policies: Vec::new(),
            allowed_by: None,
            reason: NOT_A_POD,
            nearest: None,
        }
    }
}

/// A rule by its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleName {
    /// The policy, `NAMESPACE/NAME`.
    pub policy: String,
    /// The field of the rule: `spec.egress[0]`.
    pub rule: String,
}

/// A rule that would have allowed the connection, but for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// The rule.
    #[serde(flatten)]
    pub rule: RuleName,
    /// What the connection lacks to be meant by it, in words; never empty.
    pub lacks: Vec<String>,
}

impl RuleName {
    /// The name of a rule; `None` for the isolation that is written nowhere.
    pub(super) fn of(rule: &RuleRef) -> Option<Self> {
        let Origin::Entry(index) = rule.origin else {
            return None;
        };
        let list = match rule.direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        };
        Some(Self {
            policy: rule.policy.to_string(),
            rule: format!("spec.{list}[{index}]"),
        })
    }
}

impl Nearest {
    pub(super) fn of(nearest: &explain::Nearest) -> Option<Self> {
        Some(Self {
            rule: RuleName::of(&nearest.rule)?,
            lacks: nearest.lacks.iter().map(ToString::to_string).collect(),
        })
    }
}
