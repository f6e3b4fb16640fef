use std::sync::Arc;

use enforcer_common::abi::Direction;
use serde_json::{Value, json};

use super::{Explainer, Explanation, PeerIdentity, PeerSide, explain};
use crate::compile::{Capacity, Compiler, Scope};
use crate::model::{Change, Cluster, PodKey};
use crate::{api, lower};

fn key(namespace: &str, name: &str) -> PodKey {
    PodKey {
        namespace: namespace.into(),
        name: name.into(),
    }
}

fn add_pod(cluster: &mut Cluster, namespace: &str, name: &str, labels: &Value, address: &str) {
    let object = json!({
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"containers": [{"name": "c", "ports": [{"name": "sql", "containerPort": 3306}]}]},
        "status": {"podIPs": [{"ip": address}]},
    });
    let (key, pod) = api::pod(&serde_json::from_value(object).unwrap()).unwrap();
    cluster.apply(Change::Pod(key, Some(pod)));
}

fn add_policy(cluster: &mut Cluster, name: &str, ingress: &Value) {
    let object = json!({
        "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {"role": "db"}}, "ingress": ingress},
    });
    let policy = lower::network_policy(&serde_json::from_value(object).unwrap()).unwrap();
    cluster.apply(Change::Policy(policy.key.clone(), Some(Arc::new(policy))));
}

/// `default/db`, `default/web`, and `dev/api`, with one policy.
fn cluster(ingress: &Value) -> Cluster {
    let mut cluster = Cluster::default();
    add_pod(
        &mut cluster,
        "default",
        "db",
        &json!({"role": "db"}),
        "10.0.0.1",
    );
    add_pod(
        &mut cluster,
        "default",
        "web",
        &json!({"role": "web"}),
        "10.0.0.2",
    );
    add_pod(
        &mut cluster,
        "dev",
        "api",
        &json!({"role": "api"}),
        "10.0.0.3",
    );
    add_policy(&mut cluster, "db-policy", ingress);
    cluster
}

fn asked(cluster: &Cluster, peer: PeerIdentity, address: &str, protocol: u8) -> Explanation {
    let peer = PeerSide {
        identity: peer,
        address: address.parse().ok(),
    };
    let db = key("default", "db");
    let plain = explain(cluster, &db, Direction::Ingress, &peer, protocol, 80);
    let mut compiler = Compiler::new(Scope::All, Capacity::default());
    compiler.apply(Cluster::default().changes_to(cluster));
    let mut kept = Explainer::default();
    let kept = kept.explain(&compiler, &db, Direction::Ingress, &peer, protocol, 80);
    assert_eq!(kept, plain);
    plain
}

fn pod(namespace: &str, name: &str) -> PeerIdentity {
    PeerIdentity::Pod(key(namespace, name))
}

/// What the nearest rule lacked for a connection to TCP 80 of `default/db`.
fn lacks(ingress: &Value, peer: PeerIdentity, address: &str) -> String {
    let explanation = asked(&cluster(ingress), peer, address, 6);
    assert!(!explanation.allowed());
    explanation.nearest.unwrap().to_string()
}

#[test]
fn a_rule_that_allows_is_named_with_its_place() {
    let ingress = json!([{"ports": [{"port": 443}]}, {"from": [{"podSelector": {}}]}]);
    let explanation = asked(&cluster(&ingress), pod("default", "web"), "10.0.0.2", 6);
    assert_eq!(
        explanation.to_string(),
        "allowed by default/db-policy ingress[1]"
    );
}

#[test]
fn a_wrong_label_is_shown_beside_the_wanted_one() {
    let ingress = json!([{"from": [{"podSelector": {"matchLabels": {"role": "api"}}}]}]);
    assert_eq!(
        lacks(&ingress, pod("default", "web"), "10.0.0.2"),
        "default/db-policy ingress[0]: peer has role=web, rule wants role=api"
    );
    assert_eq!(
        lacks(&ingress, pod("dev", "api"), "10.0.0.3"),
        "default/db-policy ingress[0]: peer is in namespace dev, rule wants default"
    );
    assert_eq!(
        lacks(&ingress, PeerIdentity::Outside, "192.0.2.1"),
        "default/db-policy ingress[0]: peer is outside the cluster, rule wants a pod"
    );
}

#[test]
fn a_namespace_without_the_label_is_named() {
    let ingress = json!([{"from": [{"namespaceSelector": {"matchLabels": {"env": "prod"}}}]}]);
    assert_eq!(
        lacks(&ingress, pod("dev", "api"), "10.0.0.3"),
        "default/db-policy ingress[0]: peer's namespace dev has no label env, rule wants env=prod"
    );
}

#[test]
fn a_hole_in_a_block_is_shown() {
    let block = json!({"cidr": "192.0.0.0/8", "except": ["192.0.2.0/24"]});
    let ingress = json!([{"from": [{"ipBlock": block}]}]);
    assert_eq!(
        lacks(&ingress, PeerIdentity::Outside, "192.0.2.1"),
        "default/db-policy ingress[0]: 192.0.2.1 is in the except 192.0.2.0/24 of 192.0.0.0/8"
    );
    assert_eq!(
        lacks(&ingress, PeerIdentity::Node("n1".into()), "10.9.9.9"),
        "default/db-policy ingress[0]: 10.9.9.9 is not in 192.0.0.0/8"
    );
}

#[test]
fn wrong_ports_and_protocols_are_shown_beside_the_wanted_ones() {
    let web = || pod("default", "web");
    let ports = |ports: Value| json!([{"ports": ports}]);
    for (ingress, expected) in [
        (
            ports(json!([{"port": 443}, {"port": 8000, "endPort": 8100}])),
            "port 80 given, rule allows 443 or 8000–8100",
        ),
        (
            ports(json!([{"protocol": "UDP", "port": 80}])),
            "protocol TCP given, rule is for UDP",
        ),
        (
            ports(json!([{"port": "sql"}])),
            "port 80 given, rule allows sql, which is 3306",
        ),
        (
            ports(json!([{"port": "http"}])),
            "pod default/db defines no TCP port named http",
        ),
    ] {
        let found = lacks(&ingress, web(), "10.0.0.2");
        assert_eq!(found, format!("default/db-policy ingress[0]: {expected}"));
    }
}

#[test]
fn the_nearest_rule_is_the_one_that_lacks_least() {
    let ingress = json!([
        {"from": [{"podSelector": {"matchLabels": {"role": "api"}}}], "ports": [{"port": 443}]},
        {"from": [{"podSelector": {"matchLabels": {"role": "web"}}}], "ports": [{"port": 444}]},
    ]);
    assert_eq!(
        lacks(&ingress, pod("default", "web"), "10.0.0.2"),
        "default/db-policy ingress[1]: port 80 given, rule allows 444"
    );
}

#[test]
fn of_two_rules_that_lack_as_much_the_one_that_means_the_peer_is_nearer() {
    let ingress = json!([
        {"from": [{"podSelector": {"matchLabels": {"role": "api"}}}], "ports": [{"port": 80}]},
        {"from": [{"podSelector": {"matchLabels": {"role": "web"}}}], "ports": [{"port": 444}]},
    ]);
    assert_eq!(
        lacks(&ingress, pod("default", "web"), "10.0.0.2"),
        "default/db-policy ingress[1]: port 80 given, rule allows 444"
    );
}

#[test]
fn of_rules_for_the_same_ports_the_one_that_lacks_least_of_the_peer_is_nearest() {
    let from = |labels: Value| json!({"from": [{"podSelector": {"matchLabels": labels}}]});
    let ingress = json!([
        from(json!({"role": "api", "zone": "north"})),
        from(json!({"role": "api"})),
        from(json!({"role": "job"})),
    ]);
    assert_eq!(
        lacks(&ingress, pod("default", "web"), "10.0.0.2"),
        "default/db-policy ingress[1]: peer has role=web, rule wants role=api"
    );
}

#[test]
fn all_isolating_policies_are_named_and_a_denial_without_rules_says_so() {
    let mut cluster = cluster(&json!([]));
    add_policy(&mut cluster, "another", &json!([]));
    let explanation = asked(&cluster, pod("default", "web"), "10.0.0.2", 1);
    assert_eq!(
        explanation.to_string(),
        "denied by default/another, default/db-policy; no rule allows anything"
    );
}

#[test]
fn a_pod_that_nothing_isolates_is_allowed_everything() {
    let explanation = explain(
        &cluster(&json!([])),
        &key("default", "web"),
        Direction::Ingress,
        &PeerSide {
            identity: PeerIdentity::Outside,
            address: None,
        },
        6,
        80,
    );
    assert!(explanation.allowed() && explanation.isolating.is_empty());
}
