use serde_json::{Value, json};

use super::{Objects, Part, Question, Side, Unanswerable};

fn pod(name: &str, labels: &Value, status: &Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": "n1", "containers": []}, "status": status})
}

/// `db` (isolated by `spec`), `api`, and the node `n1` on which both run.
fn cluster(spec: &Value) -> Objects {
    let from = |value: Value| serde_json::from_value(value).unwrap();
    let policy = json!({"metadata": {"name": "policy"}, "spec": spec});
    let status = |address: &str| json!({"podIPs": [{"ip": address}]});
    Objects {
        nodes: vec![
            serde_json::from_value(json!({
                "metadata": {"name": "n1"},
                "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]},
            }))
            .unwrap(),
        ],
        namespaces: Vec::new(),
        pods: vec![
            from(pod("db", &json!({"app": "db"}), &status("10.0.0.1"))),
            from(pod("api", &json!({"app": "api"}), &status("10.0.0.2"))),
        ],
        policies: vec![serde_json::from_value(policy).unwrap()],
        ..Objects::default()
    }
}

fn side(text: &str) -> Side {
    match text.parse() {
        Ok(address) => Side::Address(address),
        Err(_) => Side::Pod("default".into(), text.into()),
    }
}

fn tcp(from: &str, to: &str, port: u16) -> Question {
    Question {
        from: side(from),
        to: side(to),
        protocol: 6,
        port,
    }
}

fn ingress(objects: &Objects, from: &str) -> Part {
    objects.ask(&tcp(from, "db", 80)).unwrap().ingress
}

fn denied() -> Part {
    Part::Denied {
        isolating: vec!["default/policy".into()],
    }
}

fn allowed() -> Part {
    Part::Allowed {
        by: vec!["default/policy".into()],
    }
}

#[test]
fn a_selected_pod_lets_in_only_what_a_rule_allows() {
    let spec = json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [
        {"from": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": 80}]},
    ]});
    let objects = cluster(&spec);
    assert_eq!(ingress(&objects, "api"), allowed());
    assert_eq!(ingress(&objects, "10.0.0.2"), allowed());
    assert_eq!(ingress(&objects, "192.0.2.1"), denied());
    let other_port = objects.ask(&tcp("api", "db", 81)).unwrap();
    assert_eq!(other_port.ingress, denied());
    assert_eq!(other_port.egress, Part::NotIsolated);
    assert!(!other_port.allowed());
}

#[test]
fn a_pod_and_itself_and_a_pod_and_its_node_always_meet() {
    let objects = cluster(&json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    assert_eq!(ingress(&objects, "db"), Part::OwnPod);
    assert_eq!(ingress(&objects, "192.168.0.1"), Part::OwnNode);
    assert_eq!(ingress(&objects, "192.168.0.2"), denied());
    let answer = objects.ask(&tcp("db", "192.168.0.1", 80)).unwrap();
    assert_eq!(answer.egress, Part::OwnNode);
    assert_eq!(answer.ingress, Part::NotApplicable);
}

#[test]
fn an_ended_pod_is_whoever_has_its_address_now() {
    let spec = json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [
        {"from": [{"podSelector": {"matchLabels": {"app": "api"}}}]},
    ]});
    let mut objects = cluster(&spec);
    let ended = pod(
        "old",
        &json!({"app": "api"}),
        &json!({"phase": "Failed", "podIP": "10.0.0.9"}),
    );
    objects.pods.push(serde_json::from_value(ended).unwrap());
    assert_eq!(ingress(&objects, "old"), denied());
    let new = pod("new", &json!({"app": "api"}), &json!({"podIP": "10.0.0.9"}));
    objects.pods.push(serde_json::from_value(new).unwrap());
    assert_eq!(ingress(&objects, "old"), allowed());
}

#[test]
fn without_policy_types_a_policy_is_about_egress_only_if_it_has_an_egress_rule() {
    let egress = |spec: Value| {
        let answer = cluster(&spec).ask(&tcp("db", "api", 80)).unwrap();
        answer.egress
    };
    assert_eq!(egress(json!({"podSelector": {}})), Part::NotIsolated);
    assert_eq!(egress(json!({"egress": []})), Part::NotIsolated);
    assert_eq!(egress(json!({"egress": [{}]})), allowed());
    assert_eq!(egress(json!({"policyTypes": ["Egress"]})), denied());
}

#[test]
fn a_question_about_nobody_or_across_families_has_no_answer() {
    let objects = cluster(&json!({"podSelector": {}}));
    assert_eq!(
        objects.ask(&tcp("nobody", "db", 80)),
        Err(Unanswerable::NoSuchPod("default".into(), "nobody".into()))
    );
    assert_eq!(
        objects.ask(&tcp("2001:db8::1", "db", 80)),
        Err(Unanswerable::NoCommonFamily)
    );
}
