//! `networking.k8s.io/v1` NetworkPolicy.

use enforcer_common::abi::Direction;
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::label_selector::label_selector;
use super::{peers::peers, ports::ports};
use crate::api::meta;
use crate::invalid::{Invalid, Problem};
use crate::rule::{
    Namespaces, ObjectVersion, Origin, Peers, PodSelector, Policy, PolicyKey, PolicyKind, Ports,
    Rule, RuleAction, Tier,
};

const POLICY_TYPES: &[&str] = &["Ingress", "Egress"];

/// The lowest priority of the tier: asked after every entry of every policy.
const LAST: u32 = u32::MAX;

/// Lowers a policy: per direction in `policyTypes` an allow rule for each entry, and the deny that
/// comes with being selected.
///
/// A policy without a `spec` means what it means to the API server: an empty one, which isolates
/// every pod of the namespace for ingress. Entries of a direction that `policyTypes` leaves out are
/// checked, and have no effect.
///
/// # Errors
/// All that the API server would refuse, each with its field.
pub fn network_policy(object: &NetworkPolicy) -> Result<Policy, Vec<Invalid>> {
    let mut invalid = Vec::new();
    let namespace = meta::namespace(&object.metadata, &mut invalid);
    let name = meta::name(&object.metadata, &mut invalid);
    let empty = NetworkPolicySpec::default();
    let spec = object.spec.as_ref().unwrap_or(&empty);
    let selector = spec.pod_selector.clone().unwrap_or_default();
    let subject = PodSelector {
        namespaces: Namespaces::Named(namespace.clone()),
        pods: label_selector(&selector, "spec.podSelector", &mut invalid),
    };
    let directions = policy_types(spec, &mut invalid);
    let rules = entries(spec)
        .into_iter()
        .filter_map(|(direction, entries)| {
            let rules = lower(&entries, direction, &subject, &namespace, &mut invalid);
            directions.contains(&direction).then_some(rules)
        })
        .flatten()
        .collect();
    let key = PolicyKey {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(namespace),
        name,
    };
    let policy = Policy {
        key,
        version: version(&object.metadata),
        rules,
    };
    meta::finish(policy, invalid)
}

fn version(metadata: &ObjectMeta) -> Option<ObjectVersion> {
    Some(ObjectVersion {
        uid: metadata.uid.as_deref()?.into(),
        generation: metadata.generation.unwrap_or_default(),
    })
}

/// The directions in which the selected pods are isolated. Without `policyTypes` that is ingress,
/// and egress when there is at least one egress entry.
fn policy_types(spec: &NetworkPolicySpec, invalid: &mut Vec<Invalid>) -> Vec<Direction> {
    let types = spec.policy_types.as_deref().unwrap_or_default();
    if types.is_empty() {
        let egress = spec.egress.as_ref().is_some_and(|list| !list.is_empty());
        let egress = egress.then_some(Direction::Egress);
        return [Direction::Ingress].into_iter().chain(egress).collect();
    }
    if types.len() > POLICY_TYPES.len() {
        let (what, most) = ("entries", POLICY_TYPES.len());
        let problem = Problem::TooMany { what, most };
        invalid.push(Invalid::new("spec.policyTypes", problem));
    }
    let types = types.iter().enumerate();
    let directions = types.filter_map(|(index, name)| policy_type(index, name, invalid));
    directions.collect()
}

fn policy_type(index: usize, name: &str, invalid: &mut Vec<Invalid>) -> Option<Direction> {
    match name {
        "Ingress" => Some(Direction::Ingress),
        "Egress" => Some(Direction::Egress),
        other => {
            let problem = Problem::NotOneOf {
                found: other.to_owned(),
                known: POLICY_TYPES,
            };
            let field = format!("spec.policyTypes[{index}]");
            invalid.push(Invalid::new(field, problem));
            None
        }
    }
}

/// An entry of `ingress` or `egress`, which differ in one name only.
struct Entry<'a> {
    path: String,
    peers: (&'static str, Option<&'a [NetworkPolicyPeer]>),
    ports: Option<&'a [NetworkPolicyPort]>,
}

fn entries(spec: &NetworkPolicySpec) -> [(Direction, Vec<Entry<'_>>); 2] {
    let ingress = spec.ingress.iter().flatten().enumerate();
    let ingress = ingress.map(|(index, rule)| Entry {
        path: format!("spec.ingress[{index}]"),
        peers: ("from", rule.from.as_deref()),
        ports: rule.ports.as_deref(),
    });
    let egress = spec.egress.iter().flatten().enumerate();
    let egress = egress.map(|(index, rule)| Entry {
        path: format!("spec.egress[{index}]"),
        peers: ("to", rule.to.as_deref()),
        ports: rule.ports.as_deref(),
    });
    [
        (Direction::Ingress, ingress.collect()),
        (Direction::Egress, egress.collect()),
    ]
}

fn lower(
    entries: &[Entry<'_>],
    direction: Direction,
    subject: &PodSelector,
    namespace: &str,
    invalid: &mut Vec<Invalid>,
) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(entries.len() + 1);
    for (index, entry) in (0..).zip(entries) {
        let (field, list) = entry.peers;
        let path = &entry.path;
        rules.push(Rule {
            origin: Origin::Entry(index),
            tier: Tier::NetworkPolicy,
            priority: 0,
            direction,
            subject: subject.clone(),
            peers: peers(list, namespace, &format!("{path}.{field}"), invalid),
            ports: ports(entry.ports, &format!("{path}.ports"), invalid),
            action: RuleAction::Allow,
        });
    }
    rules.push(isolation(direction, subject.clone()));
    rules
}

fn isolation(direction: Direction, subject: PodSelector) -> Rule {
    Rule {
        origin: Origin::Isolation,
        tier: Tier::NetworkPolicy,
        priority: LAST,
        direction,
        subject,
        peers: Peers::Any,
        ports: Ports::Any,
        action: RuleAction::Deny,
    }
}

#[cfg(test)]
#[path = "network_policy_tests.rs"]
mod tests;
