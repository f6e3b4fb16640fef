//! Which policies allowed or denied.

use enforcer_common::abi::Direction;
use enforcer_flows::{Nearest, Record, Verdict};
use enforcer_policy::rule::{PolicyKey, PolicyKind};

use crate::proto::flow;

/// The policies of a flow; of the four lists one at most says something.
#[derive(Default)]
pub(super) struct Policies {
    pub(super) egress_allowed: Vec<flow::Policy>,
    pub(super) ingress_allowed: Vec<flow::Policy>,
    pub(super) egress_denied: Vec<flow::Policy>,
    pub(super) ingress_denied: Vec<flow::Policy>,
    /// Of a denial: what the nearest rule lacked.
    pub(super) log: Vec<String>,
}

pub(super) fn policies(record: &Record) -> Policies {
    let context = &record.context;
    let mut all = Policies::default();
    if record.verdict() == Verdict::Allowed {
        let allowed = context.allowed_by.iter().map(|rule| policy(&rule.policy));
        match record.direction {
            Direction::Ingress => all.ingress_allowed = allowed.collect(),
            Direction::Egress => all.egress_allowed = allowed.collect(),
        }
        return all;
    }
    let denied = context.policies.iter().map(policy);
    match record.direction {
        Direction::Ingress => all.ingress_denied = denied.collect(),
        Direction::Egress => all.egress_denied = denied.collect(),
    }
    all.log = context.nearest.iter().map(nearest).collect();
    all
}

fn policy(key: &PolicyKey) -> flow::Policy {
    let kind = match key.kind {
        PolicyKind::NetworkPolicy => "NetworkPolicy",
    };
    let label = |name: &str, value: &str| format!("k8s:io.cilium.k8s.policy.{name}={value}");
    let namespace = key.namespace.as_ref().map(|name| label("namespace", name));
    let labels = [label("derived-from", kind), label("name", &key.name)];
    flow::Policy {
        name: key.name.to_string(),
        namespace: key
            .namespace
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        labels: labels.into_iter().chain(namespace).collect(),
        revision: 0,
        kind: kind.to_owned(),
    }
}

fn nearest(nearest: &Nearest) -> String {
    let rule = &nearest.rule;
    format!(
        "nearest rule {} {}: {}",
        rule.policy,
        rule.rule,
        nearest.lacks.join("; ")
    )
}
