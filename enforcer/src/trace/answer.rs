//! What is answered: the JSON of `enforcer trace`.

use std::fmt;

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
    /// Deny when one end denies.
    pub verdict: Verdict,
    /// The end that connects.
    pub egress: Part,
    /// The end that is connected to.
    pub ingress: Part,
    /// What one should know about the ends: that one has ended, or has no address yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
