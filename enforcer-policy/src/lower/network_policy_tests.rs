#![expect(
    clippy::needless_pass_by_value,
    reason = "fixtures are written where they are used"
)]

use serde_json::{Value, json};

use super::*;

fn lowered(spec: &Value) -> Result<Policy, Vec<Invalid>> {
    let object = json!({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec});
    network_policy(&serde_json::from_value(object).unwrap())
}

/// (direction, action) of each rule, in order.
fn shape(spec: Value) -> Vec<(Direction, RuleAction)> {
    let rules = lowered(&spec).unwrap().rules.into_iter();
    rules.map(|rule| (rule.direction, rule.action)).collect()
}

fn refused(spec: Value) -> Vec<(String, &'static str)> {
    let invalid = lowered(&spec).unwrap_err().into_iter();
    invalid.map(|one| (one.field, one.problem.code())).collect()
}

const DENY_IN: (Direction, RuleAction) = (Direction::Ingress, RuleAction::Deny);
const ALLOW_IN: (Direction, RuleAction) = (Direction::Ingress, RuleAction::Allow);
const DENY_OUT: (Direction, RuleAction) = (Direction::Egress, RuleAction::Deny);
const ALLOW_OUT: (Direction, RuleAction) = (Direction::Egress, RuleAction::Allow);

#[test]
fn without_policy_types_ingress_is_isolated_and_egress_when_it_has_entries() {
    assert_eq!(shape(json!({})), [DENY_IN]);
    assert_eq!(shape(json!({"policyTypes": []})), [DENY_IN]);
    assert_eq!(shape(json!({"egress": []})), [DENY_IN]);
    assert_eq!(
        shape(json!({"egress": [{}]})),
        [DENY_IN, ALLOW_OUT, DENY_OUT]
    );
    assert_eq!(shape(json!({"ingress": [{}]})), [ALLOW_IN, DENY_IN]);
}

#[test]
fn policy_types_decide_whatever_entries_there_are() {
    let entries = json!([{}]);
    assert_eq!(
        shape(json!({"policyTypes": ["Egress"], "ingress": entries})),
        [DENY_OUT]
    );
    assert_eq!(
        shape(json!({"policyTypes": ["Ingress"], "egress": entries})),
        [DENY_IN]
    );
    assert_eq!(
        shape(json!({"policyTypes": ["Egress", "Ingress"]})),
        [DENY_IN, DENY_OUT]
    );
}

#[test]
fn a_policy_type_twice_is_as_good_as_once() {
    assert_eq!(
        shape(json!({"policyTypes": ["Ingress", "Ingress"]})),
        [DENY_IN]
    );
}

#[test]
fn an_empty_list_of_entries_allows_nothing_and_an_empty_entry_everything() {
    assert_eq!(shape(json!({"ingress": []})), [DENY_IN]);
    let policy = lowered(&json!({"ingress": [{}]})).unwrap();
    assert_eq!(policy.rules[0].peers, Peers::Any);
    assert_eq!(policy.rules[0].ports, Ports::Any);
}

#[test]
fn a_missing_spec_or_pod_selector_means_every_pod_of_the_namespace() {
    let object = json!({"metadata": {"name": "p"}});
    let policy = network_policy(&serde_json::from_value(object).unwrap()).unwrap();
    assert_eq!(policy.key.to_string(), "default/p");
    assert_eq!(policy.rules.len(), 1);
    let subject = &policy.rules[0].subject;
    assert_eq!(subject.namespaces, Namespaces::Named("default".into()));
    assert!(subject.pods.is_everything());
}

#[test]
fn entries_keep_their_place_and_the_isolation_comes_last() {
    let policy = lowered(&json!({"ingress": [{}, {"ports": [{"port": 80}]}]})).unwrap();
    let origins: Vec<_> = policy.rules.iter().map(|rule| rule.origin).collect();
    assert_eq!(
        origins,
        [Origin::Entry(0), Origin::Entry(1), Origin::Isolation]
    );
    let priorities: Vec<_> = policy.rules.iter().map(|rule| rule.priority).collect();
    assert_eq!(priorities, [0, 0, u32::MAX]);
}

#[test]
fn unknown_policy_types_are_refused_one_by_one() {
    assert_eq!(
        refused(json!({"policyTypes": ["ingress", "Egress", "Both"]})),
        [
            ("spec.policyTypes".into(), "too-many"),
            ("spec.policyTypes[0]".into(), "unknown-value"),
            ("spec.policyTypes[2]".into(), "unknown-value"),
        ]
    );
}

#[test]
fn every_mistake_is_told_with_its_path_also_in_directions_without_effect() {
    assert_eq!(
        refused(json!({
            "podSelector": {"matchLabels": {"a": "b c"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/40"}}]},
                {"ports": [{"port": 0, "protocol": "ICMP"}]}
            ],
            "egress": [{"to": [{}], "ports": [{"endPort": 1}]}]
        })),
        [
            ("spec.podSelector.matchLabels[a]".into(), "bad-label"),
            ("spec.ingress[0].from[1].ipBlock.cidr".into(), "bad-cidr"),
            ("spec.ingress[1].ports[0].protocol".into(), "unknown-value"),
            ("spec.ingress[1].ports[0].port".into(), "bad-port"),
            ("spec.egress[0].to[0]".into(), "empty-peer"),
            ("spec.egress[0].ports[0].endPort".into(), "bad-end-port"),
        ]
    );
}

#[test]
fn a_policy_needs_a_name() {
    let object = json!({"metadata": {"generateName": "p-"}});
    let invalid = network_policy(&serde_json::from_value(object).unwrap()).unwrap_err();
    assert_eq!(invalid, [Invalid::new("metadata.name", Problem::Missing)]);
}

#[test]
fn what_the_api_server_says_about_the_version_is_kept() {
    let metadata = json!({"name": "p", "namespace": "shop", "uid": "4f3", "generation": 7});
    let object = json!({"metadata": metadata, "spec": {}});
    let policy = network_policy(&serde_json::from_value(object).unwrap()).unwrap();
    let version = policy.version.unwrap();
    assert_eq!((&*version.uid, version.generation), ("4f3", 7));
    assert_eq!(lowered(&json!({})).unwrap().version, None);
}
